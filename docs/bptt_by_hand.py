"""Backpropagation through time by hand, in NumPy: `python docs/bptt_by_hand.py`.

An RNN and an LSTM read random inputs, and the loss looks at the last state only. The script checks the gradients
against finite differences. Then it prints how much of the gradient arrives at inputs further and further back.
"""

# ruff: noqa: N803, N806 - W and R are what the equations call them

import numpy as np

STEPS, FEATURES, UNITS = 60, 3, 16


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def rnn_forward(x, W, R, b):
    """Returns h after each step, h[0] before the first: [steps + 1, units]."""
    h = np.zeros((len(x) + 1, len(R)))
    for t in range(len(x)):
        h[t + 1] = np.tanh(x[t] @ W + h[t] @ R + b)
    return h


def rnn_backward(x, h, W, R, d_last):
    """Returns the gradients of x, W, R and b, from that of the last state."""
    d_x, d_W, d_R, d_b = np.zeros_like(x), np.zeros_like(W), np.zeros_like(R), np.zeros(len(R))
    d_h = d_last
    for t in reversed(range(len(x))):
        d_pre = d_h * (1 - h[t + 1] ** 2)  # through tanh
        d_W += np.outer(x[t], d_pre)  # the same weights at every step: their gradients add up
        d_R += np.outer(h[t], d_pre)
        d_b += d_pre
        d_x[t] = d_pre @ W.T
        d_h = d_pre @ R.T  # handed on to the step before
    return d_x, d_W, d_R, d_b


def lstm_forward(x, W, R, b):
    """Returns h and c, each [steps + 1, units], and the gates i, f, g, o of each step."""
    units = len(R)
    h, c, gates = np.zeros((len(x) + 1, units)), np.zeros((len(x) + 1, units)), []
    for t in range(len(x)):
        i, f, g, o = np.split(x[t] @ W + h[t] @ R + b, 4)
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        c[t + 1] = f * c[t] + i * g
        h[t + 1] = o * np.tanh(c[t + 1])
        gates.append((i, f, g, o))
    return h, c, gates


def lstm_backward(x, h, c, gates, W, R, d_last):
    """Returns the gradients of x, W, R and b, from that of the last h."""
    d_x, d_W, d_R, d_b = np.zeros_like(x), np.zeros_like(W), np.zeros_like(R), np.zeros(R.shape[1])
    d_h, d_c = d_last, np.zeros(len(R))
    for t in reversed(range(len(x))):
        i, f, g, o = gates[t]
        d_c = d_c + d_h * o * (1 - np.tanh(c[t + 1]) ** 2)
        d_pre = np.concatenate(
            [
                d_c * g * i * (1 - i),
                d_c * c[t] * f * (1 - f),
                d_c * i * (1 - g**2),
                d_h * np.tanh(c[t + 1]) * o * (1 - o),
            ]
        )
        d_W += np.outer(x[t], d_pre)
        d_R += np.outer(h[t], d_pre)
        d_b += d_pre
        d_x[t] = d_pre @ W.T
        d_h = d_pre @ R.T
        d_c = d_c * f  # the second way back: no matrix, no squashing
    return d_x, d_W, d_R, d_b


def difference(loss, weights, gradient, generator, places=20, nudge=1e-5):
    """Returns the largest difference between a gradient and finite differences, at some places."""
    largest = 0.0
    for _ in range(places):
        at = tuple(generator.integers(size) for size in weights.shape)
        kept = weights[at]
        weights[at] = kept + nudge
        above = loss()
        weights[at] = kept - nudge
        below = loss()
        weights[at] = kept
        largest = max(largest, abs((above - below) / (2 * nudge) - gradient[at]))
    return largest


def orthogonal(size, generator):
    return np.linalg.qr(generator.normal(size=(size, size)))[0]


def main():
    generator = np.random.default_rng(1)
    x = 0.3 * generator.normal(size=(STEPS, FEATURES))
    look = generator.normal(size=UNITS)  # the loss is look @ last h

    print("gradients against finite differences, largest difference:")
    W, R, b = generator.normal(size=(FEATURES, UNITS)) / 2, 0.9 * orthogonal(UNITS, generator), np.zeros(UNITS)
    gradients = rnn_backward(x, rnn_forward(x, W, R, b), W, R, look)
    for name, weights, gradient in zip("xWRb", (x, W, R, b), gradients, strict=True):
        off = difference(lambda: look @ rnn_forward(x, W, R, b)[-1], weights, gradient, generator)
        print(f"  RNN  {name}: {off:.0e}")
    W4 = generator.normal(size=(FEATURES, 4 * UNITS)) / 2
    R4 = np.concatenate([orthogonal(UNITS, generator) for _ in range(4)], axis=1) / 2
    b4 = np.zeros(4 * UNITS)
    gradients = lstm_backward(x, *lstm_forward(x, W4, R4, b4), W4, R4, look)
    for name, weights, gradient in zip("xWRb", (x, W4, R4, b4), gradients, strict=True):
        off = difference(lambda: look @ lstm_forward(x, W4, R4, b4)[0][-1], weights, gradient, generator)
        print(f"  LSTM {name}: {off:.0e}")

    lags = (0, 5, 10, 20, 40, 59)
    print("\nnorm of the gradient at the input so many steps before the last:")
    print(f"{'':28}" + "".join(f"{lag:>10}" for lag in lags))
    Q = orthogonal(UNITS, generator)
    for gain in (0.7, 1.0, 1.5):
        h = rnn_forward(x / 10, W, gain * Q, b)  # small inputs: tanh hardly squashes
        norms = np.linalg.norm(rnn_backward(x / 10, h, W, gain * Q, look)[0], axis=1)[::-1]
        print(f"RNN, singular values {gain:<7}" + "".join(f"{norms[lag]:10.0e}" for lag in lags))
    for bias in (0, 1, 4):
        b4[UNITS : 2 * UNITS] = bias
        norms = np.linalg.norm(lstm_backward(x, *lstm_forward(x, W4, R4, b4), W4, R4, look)[0], axis=1)[::-1]
        print(f"LSTM, forget bias {bias:<10}" + "".join(f"{norms[lag]:10.0e}" for lag in lags))


if __name__ == "__main__":
    main()
