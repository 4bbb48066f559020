"""Short reviews labelled ``positive`` or ``negative``: what ``nlpseq train-task sentiment`` trains on without data.

The text is the project's own, written for it and under its licence. There are two parts: reviews written by hand
(``PRAISE`` and ``COMPLAINTS``), and reviews built by a small grammar from the tables below. A ``Topic`` (a café, a pair
of shoes) has aspects, an ``Aspect`` (the coffee, the soles) has things one says about it, and a frame puts two or three
of these together so that a reader can tell what the reviewer thought: in "Although the room was small, ...", what comes
after the comma decides. ``reviews()`` gives both parts, always the same ones in the same order.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256
from itertools import chain, permutations
from typing import NamedTuple, TypeVar

POSITIVE = "positive"
NEGATIVE = "negative"
LABELS = (POSITIVE, NEGATIVE)

VARIANTS_PER_FRAME = 5
"""How many reviews the grammar makes of each topic, frame and label."""

T = TypeVar("T")


# --- Written by hand: one review a line, a backslash continues it. ---

PRAISE = """\
The soup was hot, the bread was fresh, and nobody hurried us. We stayed until they put the chairs up.
I came in for one coffee and left three hours later with a loyalty card. That says it all.
Not bad at all for a café inside a petrol station. I would even drive there without needing petrol.
The apple cake alone is worth the climb up the hill.
The waiter forgot our drinks, apologised, and brought them with a free dessert. Forget our drinks any time.
Best lentil stew in town, and I say that as somebody who does not like lentils.
A tiny place with four tables and a big heart. Book ahead.
I have nothing to complain about, and believe me, I tried.
My grandmother says the dumplings are better than hers. She has never said that about anything.
The portions are small, but every bite is a pleasure.
We waited twenty minutes for a table and would gladly wait twenty more. The fish was perfect.
The menu is short and everything on it is good. More places should try this.
I was warned about the spicy noodles. I ordered them anyway, cried a little, and ordered them again.
The pizza was crisp, the cheese was honest, and the bill was kind.
Finally a breakfast that does not leave you hungry by ten.
You could not ask for friendlier people behind the counter.
It isn't cheap, but it is worth every penny.
They remembered my name, my order and my dog. Five stars from me and two barks from him.
I never thought I would write a review about a sandwich, yet here I am.
Service with a smile, and the smile did not look rented.
The terrace looks over the river, the lemonade is homemade, and the wasps keep to themselves.
I don't usually like tea rooms. I like this one.
The room was spotless, the bed was soft, and the only sound at night was an owl.
We came for one night and stayed for four. That should tell you enough.
The lift is slow and the carpet is old, but I have rarely been looked after so well.
Breakfast had warm rolls, three kinds of jam and a view of the sea. What more do you want?
The receptionist drew us a map with all her favourite places. Every single one was great.
A hotel without any fuss: clean, quiet, friendly, and close to the station.
I slept like a stone. A happy, well-fed stone.
The shower had real pressure. After a week of camping I nearly wept for joy.
It did rain all weekend, but from that armchair by the window even the rain looked good.
No complaints: the room was ready early and the beds were excellent.
They found my son's lost rabbit and posted it back with a note from the rabbit. What a place!
The walls are thick, the curtains are dark, and the pillows are a dream.
Small room, fair price, lovely owner. We will be back in spring.
I was afraid it would be noisy above the pub. It was not, and the pub is very good too.
The sauna made up for the long drive, and dinner made up for everything else.
I laughed until the person next to me started laughing at my laugh.
The story takes its time, and I was sorry when it ended.
I did not expect to cry about a film with a talking tractor. Bring a handkerchief.
Three hours long, and not a minute too many.
The lead actress is a wonder. Give her every prize there is.
The trailer made it look silly. It is silly, and also clever, warm and beautiful to look at.
My children sat still for ninety minutes. I have no higher praise.
A quiet little film that stayed with me for days.
I don't care for westerns, but this one won me over before the first horse appeared.
The ending surprised everyone in the row, even the man who had been telling us the plot.
The music, the colours, the old lighthouse keeper: I loved every bit of it.
Forget the reviews that call it slow. It is gentle, and it is gorgeous.
I saw it twice in a week, and the second time was even better.
The jokes land, the songs stick, and the dog survives.
I missed my stop because of this book, and then I missed the next one too.
I read it in one night and was useless at work the next day. No regrets.
The first chapter is hard going, but after that you cannot put it down.
Funny and sad on the same page, which is a rare trick.
Finally a detective who is neither drunk nor divorced. I want the whole series.
I lent it to a friend and she won't give it back. Now I am buying a second copy.
The characters feel like neighbours I would actually invite for dinner.
Not a single boring page.
The recipes are simple, they work, and the author is good company in the kitchen.
I learned more about bees than I ever meant to, and I enjoyed all of it.
The translation is so good that I forgot it was one.
A bedtime story that the parents fight over who gets to read.
The twist caught me completely off guard. I went back to page one and started again.
A thin book that leaves a deep mark.
The sound is clear and warm, and they do not pinch my ears even after a whole day.
I put them on in the tram and the tram was gone. The noise cancelling is magic.
The battery lasts longer than I do.
They survived the washing machine. I am embarrassed, but very impressed.
I could hear the guitarist breathe. Wonderful headphones for the money.
The case looks cheap, but the sound is anything but.
Paired in two seconds, no manual, no swearing.
I was ready to send them back, then I heard the bass. They are staying.
My daughter stole them within the hour, so they must be good.
Light, comfortable, and loud enough to drown out my brother's trumpet.
The app does one thing and does it well. No ads, no nonsense.
It crashed once in a year, and they fixed it the same day.
I have tried nine shopping list apps. I can stop now.
Even my father can use it, and he still prints his emails.
The latest update made it faster. I did not know that was allowed.
It told me to leave ten minutes early, and thanks to it I caught the last bus home. I owe this app a taxi fare.
The free version is so good that I felt guilty and bought the full one.
Simple, quick, and it does not want to know my birthday.
I learned enough Italian in three months to argue about coffee. Bravo.
The support team answered on a Sunday, in full sentences, and solved it.
I wish I had found this budgeting app years ago. I would be rich, or at least less surprised.
The dinosaur hall is a marvel. My nephew roared for a week.
I normally walk through museums in an hour. We stayed until closing time.
The guide made old spoons exciting. I do not know how she did it.
Everything is well explained, and you may actually touch things.
A small museum about locks and keys that turned out to be the best part of our trip.
The audio guide is funny, short and clear. I listened to all of it.
It was crowded, but the paintings are so lovely that I hardly noticed.
The museum café is a bit dear, but the collection is a treasure and the garden is free.
Worth it for the model railway alone. I am forty-six years old.
The train left on time, arrived on time, and had a socket that worked. I may frame the ticket.
The conductor announced every stop like a circus act. I have never enjoyed a commute so much.
I got a window seat, a quiet carriage and a view of the lakes. Perfect.
We were ten minutes late, but the staff held the connection for us. Thank you!
The night train beats flying: I fell asleep in the rain and woke up by the sea.
Clean toilets on a train. I had heard stories, but now I believe.
The old bus creaks like a ship, but the driver waits for you if you run. We love him.
The ferry was smooth, the crew was cheerful, and the chips were crisp.
The rye bread keeps for a week, but in our house it never gets the chance.
The queue goes around the corner, and it is right to do so.
Their cinnamon buns should be on the town's coat of arms.
I moved house last year and still cross the city for this bakery.
The croissants crackle, the staff hum, and the whole street smells of butter.
They put an extra roll in the bag because it was raining. Lovely people.
No fancy names, no fuss, just very good bread.
The birthday cake looked like our cat and tasted much better.
I walked twenty kilometres in them on the first day and did not get a single blister.
My feet wrote this review: thank you.
They are not pretty, but I have never owned more comfortable shoes.
Two winters, no leaks, and the soles still grip.
The size was wrong, and the shop swapped them the same afternoon without a question.
They look even better than in the photo, and they fit like a handshake.
I wore them to a wedding and danced until four. They held up better than I did.
The rucksack swallowed everything I own and still sat well on my back.
Ten years of rain, three broken umbrellas, and then this one. It laughs at storms.
The zip has never jammed, and I have packed that bag in some dark moods.
This kettle boils before I have found the tea.
It is only a broom, but what a broom!
The knife is sharp, well balanced, and cuts tomatoes as if they wanted it.
The chair took an hour to build, but now nobody in the house wants to sit anywhere else.
The vacuum cleaner is so quiet that the cat came to look at it.
The old mattress and I had a bad relationship. With this one it is love.
It fits, it works, it was cheap. What else is there to say?
The lamp gives a warm light and makes my messy desk look like a painting.
I dropped the phone down the stairs. The phone is fine; the stairs have a dent.
The camera takes lovely pictures even when I am the one holding it.
Delivered a day early and packed with care. Nothing was broken, not even the eggs.
The seller answered all my silly questions. I felt like a king buying a doormat.
The haircut looks good even on the third day, when I have given up.
She listened, she cut, and she did not mention the weather once. My new hairdresser.
I used to fear the dentist. This one hummed, explained everything, and did not hurt me at all.
The bike rides like a breeze and the brakes mean what they say.
The swimming teacher got my mother, who is seventy, to jump off the board. She wants to go again.
The course was hard work, but I understand statistics now. My family is surprised too.
The teacher explains things three different ways until one of them clicks.
The play had two actors, one ladder and no budget, and it was magnificent.
The choir was a little flat here and there, but the joy in that room was real.
The concert ended with the whole hall singing. I have no voice left and no complaints.
The board game takes five minutes to learn, and then the evening is gone.
My family finally has a game that does not end in tears. We played it six times.
The campsite has clean showers, old trees, and an owner who lends you her second-best kettle.
We could see every star. The children fell asleep counting them.
The market is loud, muddy and wonderful. Go early and bring a big bag.
The garden centre told me not to buy the expensive soil. I will be their customer for life.
The vet was calm, kind and quick. Even the cat purred, and the cat hates everyone.
They repaired my grandfather's watch and charged less than I had feared. It ticks like new.
I expected nothing, and I got the best ice cream of the summer.
The pool is old, but it is clean, it is warm, and nobody splashes before nine.
I wouldn't change a thing.
There is nothing to dislike here. I looked under the bed as well.
Far better than I had any right to hope for at that price.
I can't fault it, and I have looked.
It isn't perfect, but it made me happy every single day of the holiday.
Never a dull moment, from the first page to the last.
I had doubts about a blue sofa. I was wrong, and now I sit on my mistake with pleasure.
Hardly anyone knows this place, and I almost don't want to tell you how good it is.
The plumber came on time, fixed the leak, and cleaned up after himself. A unicorn.
The library has soft chairs, long hours, and a librarian who finds everything.
My only regret is that I did not buy it sooner.
The radio is plain and a bit heavy, but the sound fills the kitchen beautifully.
The pancakes were thin, golden and gone in a minute. We ordered another round.
I have stayed in palaces that were less comfortable than this barn.
The boat tour was short, but the captain's stories were worth twice the fare.
It never lets me down, which is more than I can say for my car.
The glue holds. After a year, it still holds. I trust it more than some relatives.
Our guide knew every stone by name and made all of us laugh in the pouring rain.
The potatoes were crisp, the salad was fresh, and the cook waved at us through the window.
"""

COMPLAINTS = """\
The food was fine, but the service ruined the evening.
The soup was cold, the beer was warm, and the waiter found that funny.
We waited an hour for a salad. I could have grown one.
The coffee tasted as if somebody had described coffee to them over the phone.
Pretty place, shame about everything on the plate.
The menu promised fresh fish. The fish had clearly heard about it too late.
Not what I would call clean. My sleeve is still stuck to the table, I think.
They charged us for bread we did not order, did not want and could not chew.
I have had better pizza on an aeroplane.
The view is lovely, but you cannot eat a view, and you should not eat the pasta.
The waiter sighed when we came in and sighed again when we asked for the menu.
Far too salty. I drank two litres of water and still dreamt of the desert.
Everyone praises this restaurant, so maybe we were unlucky, but our dinner was simply bad.
The cake was dry enough to sand a door with.
I wanted to like it. The name is great and the owner is nice, but the food is dreadful.
They took our order, then our patience, then forty euros.
The dumplings were raw in the middle. We told them, and they shrugged.
Never again. My stomach would like that in writing.
The toilet was out of order, the heating was off, and the music was on. Loudly.
I cannot recommend the breakfast: old rolls, thin coffee and no butter left at half past eight.
It used to be my favourite café. Since the new owner came, I go home with a headache.
The tea was not hot, the toast was not warm, and the staff was neither.
The room smelled of damp, and the window opened onto a wall.
I counted eleven stains on the carpet before I stopped counting.
The photos on the website must show a different hotel. I would like to stay there instead.
The bed creaked whenever I breathed, so I slept on the floor. The floor was not clean either.
The walls are so thin that I know how my neighbour's divorce is going.
They lost our booking and offered us a cupboard. A cupboard with a lamp.
The location is great, but the noise, the dirt and the rude porter are not.
The air conditioning dripped on my pillow all night. I asked for a new room and got a bucket.
A wonderful hotel, if you like drilling at six in the morning.
No hot water for three days, and nobody at the desk seemed to care.
We left a day early and did not even ask for the money back. We just wanted out.
The towels were grey. I hope they had been bought that way.
The breakfast was good, I admit, but nothing makes up for bed bugs.
The pool was closed, the bar was closed, and the manager's office was very closed.
I would not stay there again if they paid me.
The pillow was so flat that I used my shoe.
Two hours of my life that I want back, with interest.
The trailer shows all three good jokes. Watch the trailer.
I have seen more exciting parking lots.
The actors do their best, but nobody could save this script.
It is a thriller, and the only thing that thrilled me was the end.
My husband snored, and it was the best part of the soundtrack.
Great costumes, great music, and a plot that makes no sense at all. We walked out.
The hero is dull, the villain is dull, and the horse looked ashamed.
The book is one of my favourites, so this film broke my heart.
It goes on for three hours, and nothing happens in any of them.
Even my children asked to go home, and we had popcorn.
The special effects are impressive, but I did not care about anyone in it for a second.
I laughed once, when the projector failed.
I gave up on page ninety, which is ninety more than it deserved.
The idea is good, but the writing is so clumsy that I could not enjoy it.
The detective solves the case by luck. I have never been so annoyed by a book.
The ending is a slap in the face for anybody who cared.
There is not one person in this novel I would share a lift with.
I finished it only because the train was late.
The author loves adjectives. All of them. On every page. I felt tired, weary and exhausted.
Half of the recipes do not work, and the other half should not.
The pages fell out on the second day, and sadly I did not miss them.
A travel guide full of closed restaurants and wrong bus numbers. It cost us a whole day.
The first chapter is brilliant, but after that it is four hundred pages of fog.
Not funny, not clever, not short.
They sound like two tins on a string, and the string is broken.
The left side died after a week, and the right side followed out of sympathy.
They look great, but they hurt so much that I can wear them for ten minutes at most.
The battery was empty before I had reached the end of my own street.
I do not recommend these headphones to anybody with ears.
They connect to every phone on the bus except mine.
The sound is decent, but the cable broke twice and the shop would not help.
You can hear the neighbours, the traffic and the fridge. The music, not so much.
The box was beautiful. I should have bought only the box.
Uninstalled after two days, which is one day longer than I wanted.
It wants my location, my contacts and my patience. It is a torch app!
Every update makes it slower. By summer it will run backwards.
The app lost all of my notes, and the support team sent me a smiley.
I can't even log in. The help page is blank, and that is the best thing about it.
So many adverts that I could not find the button to turn off the adverts.
It is a nice idea, but it crashes whenever you actually need it.
The weather app promised sunshine. I am writing this in wet socks, again.
I cancelled in March, and they are still taking money in June.
The free version does nothing, and the paid version does nothing in dark blue.
It drained my battery, filled my memory, and taught me no Spanish.
The museum has twelve rooms, and eight of them were closed. The price was not.
Nothing is explained, and the guards tell you off if you ask.
We paid a lot of money to look at a photograph of the painting we came for.
The exhibition was interesting, but the crowd and the heat made it impossible to enjoy.
Our guide read aloud from a leaflet. We had the same leaflet.
The children were bored after five minutes, and I envied them for saying so.
There was nowhere to sit, nothing to drink, and hardly anything to see.
The cloakroom lost my coat, and all they said was that it was a warm day anyway.
The train was so late that I learned to knit.
My seat was broken, my neighbour's seat was broken, and the toilet was locked.
We had reserved seats in a carriage that did not exist.
I love trains, but this line could turn anyone into a driver.
The heating was stuck on full in July. We arrived cooked.
The announcement said sorry six times, and nobody on the platform believed it.
We missed the connection, the last bus, and the wedding. No refund either.
The bus driver looked at me, smiled, and drove off without me.
The ferry was not on time, not clean, and not cheap.
The taxi took the scenic route. It was dark, and it was my money.
The bread looks rustic, and it is as hard as the house it was photographed in.
The rolls are mostly air, and for that price it should be mountain air.
The girl at the counter was sweet, but the cream in the cake was off.
I bit into a raisin bun and found a single raisin. It looked lonely. I felt cheated.
They sold out of everything by nine, and what they had left was yesterday's.
I used to love this bakery. Now everything tastes of freezer.
The birthday cake arrived late, with the wrong name on it, and leaning.
Don't be fooled by the smell. The croissants are greasy and limp.
I got blisters from them while standing still.
The soles came off in the first rain. I walked home in two pairs of flapping fish.
They are beautiful shoes, but I could not walk to the end of the street in them.
I ordered black and received brown. I complained and received a smaller brown.
They squeak. Every step, every corridor, every meeting. I hate them.
Waterproof, it says. My socks disagree.
The strap broke on the first trip, and my laptop took the fall.
The umbrella turned inside out at the first hint of wind and would not turn back.
The kettle leaks, hums and takes for ever. The old one only hummed.
The zip jammed at the airport, in front of everyone, with my toothbrush inside.
I have owned many brooms, and this is the first one that sheds.
The knife cannot cut a tomato, but it did manage to cut me.
Three screws were missing, and the instructions were a riddle. I sit on the box now.
The vacuum cleaner is loud, heavy, and afraid of dust.
The mattress has a valley in the middle, and we meet there every night against our will.
Cheap price, cheap plastic, and three weeks later it went in the bin.
The lamp flickers so badly that guests think the house is haunted.
The phone is fast, but it gets so hot and dies so quickly that it is useless to me.
The camera makes everyone look like a potato. I sent it back.
The parcel looked as if a bear had delivered it. Two of the four plates were still plates.
I have been waiting for my refund since spring. They keep telling me to be patient.
I asked for a trim. I now own a hat.
He talked about his boat for an hour and cut one side shorter than the other.
The dentist was an hour late, in a hurry, and not gentle at all.
The brakes squeal, the saddle wobbles, and the bell fell off on the first day.
The water was cold, the showers were colder, and the lockers ate my coin.
The course promised French in a month. I can now say that I am disappointed.
The teacher read her slides aloud and got annoyed when we had questions.
The play was so long and so dull that the applause was mostly relief.
The singer came on two hours late, sang for forty minutes, and forgot the name of our town.
We could not see the stage, and by the second song I was glad that we could hardly hear it.
The rules of this board game fill thirty pages, and the fun fills none.
We tried it once. The game is back in its box, and it will stay there.
The campsite was a car park with a hose.
The tent is easy to put up, but it let in the rain from every side. We slept in the car.
The market had nine stalls of phone cases and one sad cabbage.
The plants were half price and, a week later, fully dead.
The vet never looked up from the computer. I paid seventy euros to hear that my dog is a dog.
They had my watch for six weeks and gave it back just as broken, but heavier on the bill.
The ice cream was grey. I had asked for strawberry.
The sofa is soft, but it smells of glue, and after a month the smell has not gone.
Not worth the money, not worth the time, not worth the queue.
I would give no stars at all if that were possible.
It isn't terrible to look at, but it doesn't work, and looking is not why I bought a toaster.
I have no idea why people like this place.
There is nothing here that I would want to see, eat or buy again.
I can't say one good thing about it, and my mother raised me to try.
The plumber came two days late, fixed the wrong pipe, and sent two bills.
The library's new computer system has lost my books, my card and, some days, my name.
My only regret is that I did not read the other reviews first.
The radio has a lovely shape, but it picks up one station, and that one is all adverts.
The pancakes were rubber. My son bounced his, and nobody laughed.
The boat tour showed us the back of a factory for fifty minutes.
It let me down at the worst possible moment, on a hill, in the rain, at night.
The glue sticks to fingers, tables and trousers, just not to the cup.
Our guide was forty minutes late and had clearly never been to that castle before.
The potatoes were burnt, the salad was brown, and they still asked for a tip.
Slow, dirty and overpriced. At least it is hard to find.
What a letdown after all those glowing articles. The hype is better than the show.
"""


# --- The grammar's tables. In every string, " / " stands between things to choose from. ---


class Aspect(NamedTuple):
    """Something a reviewer looks at. The adjectives go after ``noun be``; the clauses stand on their own.

    The first clause of ``praise`` and of ``complaint`` is the mildest: a review of the other label may concede it.
    """

    noun: str
    be: str
    good: str
    bad: str
    praise: str
    complaint: str


class Topic(NamedTuple):
    """What is reviewed: its name in a sentence, the scene, its aspects, and last words that suit nothing else."""

    name: str
    be: str
    it: str
    scene: str
    aspects: tuple[Aspect, ...]
    good_end: str
    bad_end: str


TOPICS = (
    Topic(
        "this café / the café on the corner / the café by the canal",
        "is",
        "it",
        "We stopped there for breakfast. / I went with my sister on Sunday. / I met a friend there after work.",
        (
            Aspect(
                "the coffee",
                "was",
                "strong / fresh / hot",
                "weak / bitter / stale",
                "the coffee smelled wonderful / the coffee woke me up in the best way",
                "the coffee came cold twice / the coffee tasted of dishwater",
            ),
            Aspect(
                "the cake",
                "was",
                "moist / light / fresh",
                "dry / soggy / bland",
                "the cake melted on the tongue / the cake tasted homemade",
                "the cake crumbled at a touch / the cake tasted of cardboard",
            ),
            Aspect(
                "the waitress",
                "was",
                "friendly / quick / helpful",
                "rude / slow / grumpy",
                "the waitress remembered our order / the waitress made us feel at home",
                "the waitress mixed up our order / the waitress ignored us for half an hour",
            ),
            Aspect(
                "the chairs",
                "were",
                "comfortable / sturdy",
                "wobbly / hard / uncomfortable",
                "the armchairs invite you to stay / there was a cosy seat for everyone",
                "my chair wobbled the whole time / we had to stand for lack of chairs",
            ),
            Aspect(
                "the prices",
                "were",
                "fair / reasonable / low",
                "high / unfair / steep",
                "we paid less than we expected / the bill made me smile",
                "they charge extra for tap water / the bill made me gasp",
            ),
        ),
        "We will be back for breakfast. / I already have a favourite table.",
        "I would rather make my own coffee. / Next time I will bring a flask.",
    ),
    Topic(
        "this restaurant / the new restaurant / the restaurant at the harbour",
        "is",
        "it",
        "We celebrated a birthday there. / We were a table of six. / We had dinner there on Friday.",
        (
            Aspect(
                "the fish",
                "was",
                "tender / fresh / tasty",
                "dry / salty / bland",
                "the fish fell off the fork / the fish tasted of the sea",
                "the fish was full of bones / the fish was raw in the middle / the fish smelled of yesterday",
            ),
            Aspect(
                "the waiters",
                "were",
                "polite / attentive / cheerful",
                "rude / careless / slow",
                "the waiters thought of everything / our glasses were never empty",
                "we had to wave three times / the waiters argued in front of us",
            ),
            Aspect(
                "the portions",
                "were",
                "generous / big",
                "tiny / small / stingy",
                "nobody went home hungry / we could hardly finish our plates",
                "the main course was three bites / we bought chips on the way home",
            ),
            Aspect(
                "the dining room",
                "was",
                "cosy / quiet / pretty",
                "noisy / cold / cramped",
                "the candles made it feel special / we could talk without shouting",
                "we sat next to the toilets / we had to shout across the table",
            ),
            Aspect(
                "the dessert",
                "was",
                "tasty / creamy",
                "sickly / boring / watery",
                "the dessert was the best I have ever had / we fought over the last spoonful",
                "the ice cream was a puddle / the dessert never came",
            ),
        ),
        "We have booked a table for next month. / We toasted the cook.",
        "We will celebrate somewhere else next year. / I would rather eat at home.",
    ),
    Topic(
        "this hotel / the hotel by the lake / the old hotel",
        "is",
        "it",
        "We stayed for three nights. / I was there on business. / We came for a weekend in May.",
        (
            Aspect(
                "the room",
                "was",
                "clean / bright / spacious",
                "dirty / dark / cramped",
                "the room was spotless / the room had a balcony and a view of the hills",
                "the room looked onto the bins / the room smelled of damp",
            ),
            Aspect(
                "the bed",
                "was",
                "soft / comfortable",
                "hard / lumpy / uncomfortable",
                "I slept like a baby / I never wanted to leave that bed",
                "the bed squeaked at every turn / I woke up with a sore back",
            ),
            Aspect(
                "the receptionist",
                "was",
                "welcoming / helpful / kind",
                "unfriendly / rude / unhelpful",
                "they upgraded us without being asked / the receptionist greeted us by name",
                "nobody was at the desk when we arrived / they had lost our booking",
            ),
            Aspect(
                "the breakfast",
                "was",
                "varied / tasty / generous",
                "poor / stale / boring",
                "the breakfast kept us going until the evening / the eggs were cooked just right",
                "the breakfast ran out before nine / the eggs were cold and grey",
            ),
            Aspect(
                "the bathroom",
                "was",
                "modern / clean",
                "dirty / mouldy / cold",
                "the shower was hot and strong / the towels were thick and white",
                "the shower only dripped / the drain was blocked with hair",
            ),
            Aspect(
                "the street",
                "was",
                "quiet / calm / peaceful",
                "noisy / loud",
                "we heard nothing but birds at night / you can walk to everything from there",
                "the traffic kept us awake / a disco played under our window until four",
            ),
        ),
        "We want the same room next year. / I would check in again tomorrow.",
        "We checked out a day early. / Next time I would rather sleep in the car.",
    ),
    Topic(
        "this film / the new comedy / this little thriller",
        "is",
        "it",
        "I saw it on a rainy evening. / We watched it with the whole family. / I went in without knowing anything.",
        (
            Aspect(
                "the plot",
                "was",
                "clever / gripping / original",
                "predictable / silly / confusing",
                "the plot kept us guessing until the end / I never knew what would happen next",
                "I guessed the ending in the first scene / the plot fell apart after an hour",
            ),
            Aspect(
                "the actors",
                "were",
                "convincing / charming",
                "wooden / stiff / dull",
                "the two leads lit up the screen / every small part was played with love",
                "the actors seemed bored / nobody in it could act",
            ),
            Aspect(
                "the dialogue",
                "was",
                "witty / sharp / funny",
                "clumsy / flat / boring",
                "we were quoting lines all the way home / the whole hall was laughing",
                "half of the lines fell flat / the dialogue made me wince",
            ),
            Aspect(
                "the music",
                "was",
                "beautiful / moving",
                "annoying / loud / dreary",
                "I hummed the tune for days / the music gave me goose bumps",
                "the same tune came back fifty times / the music drowned every word",
            ),
            Aspect(
                "the pictures",
                "were",
                "striking / beautiful",
                "gloomy / ugly / blurry",
                "every shot looked like a painting / I could not take my eyes off the screen",
                "the effects looked like cardboard / you could hardly see anything in the dark scenes",
            ),
        ),
        "I would watch it again tonight. / We clapped at the end.",
        "I want my evening back. / We left before the end.",
    ),
    Topic(
        "this book / this novel / her latest novel",
        "is",
        "it",
        "I read it on holiday. / A friend lent it to me. / We read it in our book club.",
        (
            Aspect(
                "the story",
                "is",
                "gripping / touching / original",
                "dull / confusing / predictable",
                "the story pulled me in from page one / I read until three in the morning",
                "the story takes for ever to get going / the story goes nowhere / I fell asleep over it every night",
            ),
            Aspect(
                "the characters",
                "are",
                "believable / lovable / interesting",
                "flat / annoying / boring",
                "the characters felt like old friends / I miss the characters already",
                "I could not tell the characters apart / I did not care who lived or died",
            ),
            Aspect(
                "the language",
                "is",
                "beautiful / clear / elegant",
                "clumsy / stiff / tiresome",
                "I underlined half of it / every sentence is a small pleasure",
                "the sentences are far too long / it reads like a tax form",
            ),
            Aspect(
                "the ending",
                "is",
                "satisfying / moving / surprising",
                "weak / rushed / unconvincing",
                "the ending made me cry in a good way / the ending ties it all together",
                "the book just stops / the ending makes no sense",
            ),
            Aspect(
                "the humour",
                "is",
                "charming / warm / clever",
                "forced / childish / cruel",
                "I laughed out loud on the bus / there is a good joke on every page",
                "the jokes are older than I am / I did not smile once",
            ),
        ),
        "I have already bought the sequel. / It stays on my shelf.",
        "I gave my copy away. / I never finished it.",
    ),
    Topic(
        "these headphones / the new headphones",
        "are",
        "them",
        "I bought them for the office. / I use them on the train. / I have had them for two months.",
        (
            Aspect(
                "the sound",
                "is",
                "clear / rich / warm",
                "tinny / muffled / thin",
                "I hear details I never noticed before / old songs sound new again",
                "there is a hiss in the left ear / every song sounds like a phone call",
            ),
            Aspect(
                "the battery",
                "is",
                "reliable / powerful",
                "weak / unreliable",
                "the battery lasts all day / the battery charges in minutes",
                "the battery takes all night to charge / the battery dies by noon",
            ),
            Aspect(
                "the ear pads",
                "are",
                "soft / comfortable",
                "hard / scratchy / uncomfortable",
                "I forget that I am wearing them / they sit well even with glasses",
                "they slip off when I nod / my ears hurt after ten minutes",
            ),
            Aspect(
                "the controls",
                "are",
                "simple / handy / intuitive",
                "fiddly / confusing / awkward",
                "they connect in a second / one button does everything I need",
                "I press pause and they call my boss / they lose the connection all the time",
            ),
            Aspect(
                "the build",
                "is",
                "solid / sturdy",
                "flimsy / fragile",
                "they survived a fall down the stairs / they still look new",
                "the case scratches easily / the hinge broke in the first week / the cable came loose after a few days",
            ),
        ),
        "I wear them every day. / My brother has ordered the same pair.",
        "I have sent them back. / They are in a drawer now.",
    ),
    Topic(
        "this app / the new app",
        "is",
        "it",
        "I have used it for a month. / A colleague told me about it. / I use it for my shopping lists.",
        (
            Aspect(
                "the layout",
                "is",
                "clear / simple / tidy",
                "cluttered / confusing / ugly",
                "I found everything at once / even my grandfather understands it",
                "the buttons are too small to hit / I cannot find anything",
            ),
            Aspect(
                "the search",
                "is",
                "fast / accurate",
                "slow / unreliable",
                "it starts in the blink of an eye / the search finds what I mean",
                "it takes a minute to open / the search finds everything except what I want",
            ),
            Aspect(
                "the support team",
                "is",
                "helpful / quick / friendly",
                "slow / unhelpful / careless",
                "the support team replied within an hour / my bug was fixed the next day",
                "the support team takes days to reply / nobody answers my emails / "
                "the support team told me to buy a new phone",
            ),
            Aspect(
                "the latest version",
                "is",
                "stable / reliable",
                "buggy / unstable / slow",
                "it has never crashed on me / it even works without a connection",
                "it asks for an update every day / it crashes all the time / it has eaten all my notes",
            ),
            Aspect(
                "the price",
                "is",
                "fair / reasonable",
                "unfair / high / steep",
                "there are no adverts at all / the free version does all I need",
                "there is an advert after every click / they charged me twice",
            ),
        ),
        "It has a place on my home screen. / I would not want to be without it.",
        "I deleted it. / I have gone back to pen and paper.",
    ),
    Topic(
        "this museum / the town museum / the museum of clocks",
        "is",
        "it",
        "We went on a rainy Tuesday. / I took my two nephews. / We had an hour before our train.",
        (
            Aspect(
                "the exhibition",
                "was",
                "interesting / lively / varied",
                "dull / small / dusty",
                "we discovered something new in every room / the children did not want to leave",
                "half of the rooms were closed / the children were yawning after ten minutes",
            ),
            Aspect(
                "the guide",
                "was",
                "funny / enthusiastic / patient",
                "bored / impatient / boring",
                "the guide brought the old things to life / the guide answered all our questions",
                "the guide rushed us through / the guide read from a sheet of paper",
            ),
            Aspect(
                "the signs",
                "were",
                "clear / helpful",
                "confusing / faded / small",
                "everything is explained in simple words / we found our way without a map",
                "we got lost three times / there was not a word of explanation",
            ),
            Aspect(
                "the tickets",
                "were",
                "cheap / affordable",
                "expensive / overpriced",
                "the children got in free / the ticket was cheaper than a coffee",
                "the family ticket cost more than our lunch / we paid a fortune to get in",
            ),
            Aspect(
                "the building",
                "was",
                "beautiful / airy / bright",
                "gloomy / stuffy / cold",
                "the old hall alone is a sight / there is a lovely garden at the back",
                "there was nowhere to sit / the air was so stale that we got headaches",
            ),
        ),
        "We bought a ticket for the whole year. / Plan a whole afternoon.",
        "The best thing was the exit. / Look at the postcards instead.",
    ),
    Topic(
        "this train / the night train / the early train",
        "is",
        "it",
        "I took it to visit my aunt. / We travelled with two children. / I take it every week.",
        (
            Aspect(
                "the seats",
                "were",
                "comfortable / wide / soft",
                "narrow / hard / uncomfortable",
                "there was plenty of room for my legs / everybody found a seat",
                "my seat would not lean back / I stood for three hours",
            ),
            Aspect(
                "the carriage",
                "was",
                "clean / quiet / tidy",
                "dirty / stuffy / crowded",
                "the windows were clean and the view was grand / I worked in peace the whole way",
                "the floor was sticky / the heating could not be turned off",
            ),
            Aspect(
                "the conductor",
                "was",
                "cheerful / helpful / kind",
                "rude / grumpy / unhelpful",
                "the conductor carried my suitcase / the conductor told us jokes between the stops",
                "nobody told us what was going on / the conductor shouted at my mother",
            ),
            Aspect(
                "the journey",
                "was",
                "smooth / pleasant / relaxing",
                "tiring / bumpy / stressful",
                "we arrived to the minute / we even arrived early",
                "we arrived half an hour late / we missed our connection",
            ),
            Aspect(
                "the food on board",
                "was",
                "tasty / fresh / affordable",
                "stale / expensive / bland",
                "the tea came in real cups / the soup on board warmed us up",
                "the kitchen had run out of everything / the sandwich was older than my ticket",
            ),
        ),
        "I will leave the car at home from now on. / I would ride it just for fun.",
        "Next time I will take the bus. / I will drive next time.",
    ),
    Topic(
        "this bakery / the bakery on the square / our village bakery",
        "is",
        "it",
        "I go past it every morning. / We bought a bag of everything. / I ordered a cake for my mother.",
        (
            Aspect(
                "the bread",
                "was",
                "crusty / fresh / fragrant",
                "stale / hard / bland",
                "the bread was still warm / the loaf was gone before we got home",
                "the bread was dry by the evening / the bread had gone mouldy by the next day / "
                "the loaf was raw inside",
            ),
            Aspect(
                "the croissants",
                "were",
                "flaky / light / buttery",
                "greasy / soggy / limp",
                "the croissants shatter as they should / we bought six croissants and ate nine",
                "the croissants were yesterday's / the croissants tasted of the freezer",
            ),
            Aspect(
                "the baker",
                "was",
                "friendly / generous / cheerful",
                "grumpy / impatient / rude",
                "the baker gave the children a biscuit / the baker knows everybody by name",
                "the baker never even looked up / the baker served his friends first",
            ),
            Aspect(
                "the shop",
                "was",
                "clean / tidy / welcoming",
                "dirty / gloomy",
                "the whole shop smells of butter and cinnamon / the queue moves quickly",
                "the queue took half an hour / there were flies on the buns",
            ),
            Aspect(
                "the prices",
                "were",
                "fair / reasonable",
                "steep / unfair / high",
                "you get a lot for your money / the thirteenth roll is free",
                "a plain roll costs as much as a meal / they gave me the wrong change",
            ),
        ),
        "I would cross the town for that bread. / My diet did not stand a chance.",
        "The supermarket does it better. / I have started to bake at home.",
    ),
    Topic(
        "these shoes / these boots / these trainers",
        "are",
        "them",
        "I bought them for the winter. / I walk a lot at work. / I wore them on a long hike.",
        (
            Aspect(
                "the soles",
                "are",
                "soft / sturdy / grippy",
                "thin / slippery / stiff",
                "the soles grip even on ice / the soles look like new after a year",
                "the soles squeak on every floor / the soles came off in a week / the soles slip on every wet stone",
            ),
            Aspect(
                "the fit",
                "is",
                "snug / comfortable",
                "tight / awkward",
                "my feet felt at home at once / I walked all day without a blister",
                "it took weeks to break them in / I had blisters within an hour / my toes went numb",
            ),
            Aspect(
                "the leather",
                "is",
                "supple / soft / smooth",
                "stiff / thin / rough",
                "the rain simply runs off / my feet stayed dry in a storm",
                "the leather creases quickly / my socks were soaked after one puddle / "
                "the leather cracked after a month",
            ),
            Aspect(
                "the colour",
                "is",
                "lovely / elegant",
                "dull / ugly / patchy",
                "everyone asks me where I got them / they go with everything I own",
                "they look nothing like the photo / the colour came off on my socks",
            ),
            Aspect(
                "the laces",
                "are",
                "strong / sturdy",
                "flimsy / thin",
                "the laces stay tied all day / the stitching is neat all over",
                "the laces come undone all the time / the laces snapped on the second day / "
                "the stitching is coming undone",
            ),
        ),
        "I have ordered a second pair. / My feet say thank you.",
        "They went straight back to the shop. / My old pair had holes and was better.",
    ),
    Topic(
        "this backpack / the new rucksack",
        "is",
        "it",
        "I took it to the mountains. / I carry my laptop in it. / My son uses it for school.",
        (
            Aspect(
                "the straps",
                "are",
                "comfortable / sturdy / soft",
                "thin / uncomfortable / weak",
                "the straps do not cut into the shoulders / my back was fine after a long day",
                "my shoulders were sore by the evening / the straps tore on the first trip",
            ),
            Aspect(
                "the zips",
                "are",
                "smooth / strong / solid",
                "stiff / flimsy / weak",
                "the zips run like butter / the zips hold even when it is full",
                "the zip sticks at the corners / the zip jams every single time / the zip broke on day two",
            ),
            Aspect(
                "the main pocket",
                "is",
                "roomy / practical / big",
                "small / awkward / impractical",
                "there is a pocket for everything / it holds far more than you think",
                "I can never find my keys in it / my lunch box does not even fit",
            ),
            Aspect(
                "the fabric",
                "is",
                "tough / sturdy",
                "thin / scratchy / flimsy",
                "everything inside stayed dry in the rain / it still looks new after two years",
                "it gets dirty quickly / one shower soaked all my books / it had a hole after three weeks",
            ),
        ),
        "It goes everywhere with me. / I would pack it again tomorrow.",
        "I am back to my old bag. / It went back to the shop.",
    ),
    Topic(
        "this hairdresser / the new barber / the salon next to the bank",
        "is",
        "it",
        "I needed a trim before a wedding. / I went there without an appointment. / It was my first visit.",
        (
            Aspect(
                "the cut",
                "was",
                "neat / stylish / even",
                "crooked / uneven / messy",
                "my fringe turned out well / my hair has never looked better / I got three compliments the same day",
                "my fringe came out too short / one side is longer than the other / I have worn a hat ever since",
            ),
            Aspect(
                "the stylist",
                "was",
                "attentive / patient / kind",
                "careless / rude / impatient",
                "the stylist took her time / the stylist listened to what I wanted",
                "the stylist talked of nothing but her holiday / the stylist did the opposite of what I asked",
            ),
            Aspect(
                "the colour",
                "was",
                "natural / lovely",
                "patchy / dull / garish",
                "the colour looks real even in the sun / the colour lasted for months",
                "the colour washed out in a week / my scalp was burning for days",
            ),
            Aspect(
                "the place",
                "was",
                "clean / bright / relaxing",
                "dirty / noisy / stuffy",
                "they gave me tea and a foot rest / the head massage was heavenly",
                "the water was ice cold / there was hair all over the floor",
            ),
            Aspect(
                "the price",
                "was",
                "fair / modest",
                "high / steep / unfair",
                "it cost less than I had feared / they told me the price first",
                "I paid extra for a wet towel / they doubled the price at the till",
            ),
        ),
        "I have already booked my next cut. / My mirror and I are friends again.",
        "I had to have it fixed elsewhere. / I am growing it out.",
    ),
    Topic(
        "this play / the new play at the town theatre",
        "is",
        "it",
        "We sat in the third row. / I went with my parents. / We got tickets at the last minute.",
        (
            Aspect(
                "the cast",
                "was",
                "funny / lively / convincing",
                "stiff / weak / tired",
                "the old king gave me shivers / every actor seemed to enjoy it",
                "two of the actors forgot their lines / the lead mumbled all evening",
            ),
            Aspect(
                "the stage",
                "was",
                "clever / imaginative / beautiful",
                "bare / ugly / dark",
                "the forest on stage looked alive / the lights turned a few boxes into a ship",
                "a piece of the set fell over / half of the stage was hidden by a pillar",
            ),
            Aspect(
                "the first act",
                "was",
                "funny / gripping / exciting",
                "long / tedious / slow",
                "the audience was spellbound / the whole row was in tears of laughter",
                "the man next to me was snoring / half of the audience left at the interval",
            ),
            Aspect(
                "the songs",
                "were",
                "catchy / lovely / rousing",
                "shrill / dull / forgettable",
                "we sang the songs all the way home / the little band played with real joy",
                "the band was out of tune / nobody could hear the singers",
            ),
        ),
        "We stood up and clapped. / I would see it again next week.",
        "We went home at the interval. / I want my evening back.",
    ),
    Topic(
        "this bicycle / the new bike",
        "is",
        "it",
        "I ride to work every day. / I bought it in spring. / I tried it on the hills.",
        (
            Aspect(
                "the brakes",
                "are",
                "strong / reliable",
                "weak / noisy / unreliable",
                "the brakes bite at once / I feel safe on every hill",
                "the brakes squeal like pigs / I nearly rode into the river",
            ),
            Aspect(
                "the saddle",
                "is",
                "comfortable / soft",
                "hard / wobbly / uncomfortable",
                "I can ride for hours without getting sore / the saddle fits me like a chair",
                "the saddle slips down now and then / I could not sit down for two days",
            ),
            Aspect(
                "the gears",
                "are",
                "smooth / precise",
                "jerky / stiff / unreliable",
                "the gears change without a sound / hills feel flat on it",
                "it took me a week to get used to the gears / the chain comes off every day / "
                "the gears jump whenever I push hard",
            ),
            Aspect(
                "the frame",
                "is",
                "light / solid",
                "heavy / flimsy",
                "I can carry it up the stairs with one hand / the paint still shines",
                "the paint is peeling already / the frame rattles like a bag of spoons",
            ),
            Aspect(
                "the lights",
                "are",
                "bright / sturdy",
                "dim / flimsy / weak",
                "the lights turn night into day / the lights come on by themselves",
                "the lights eat batteries / the lights went out in the first tunnel / the back light fell off",
            ),
        ),
        "I take the long way home now. / My car is getting jealous.",
        "I walk again. / The shop can have it back.",
    ),
    Topic(
        "this kettle / the new kettle",
        "is",
        "it",
        "We use it ten times a day. / I got it for my office. / I bought it to replace my old one.",
        (
            Aspect(
                "the lid",
                "is",
                "sturdy / tight / handy",
                "stiff / loose / wobbly",
                "the lid opens at a touch / it is easy to clean",
                "you need two hands to open the lid / the lid fell off after a week",
            ),
            Aspect(
                "the handle",
                "is",
                "comfortable / solid",
                "hot / slippery / flimsy",
                "the handle stays cool / it pours without spilling a drop",
                "you have to pour with both hands / I burnt my fingers on the handle / "
                "it spills water over the whole table",
            ),
            Aspect(
                "the hum",
                "is",
                "soft / gentle",
                "loud / shrill / annoying",
                "you hardly hear it boil / the kettle sings a little and nobody minds",
                "you can hear it in the next room / it roars like a plane / it wakes up the whole house",
            ),
            Aspect(
                "the cord",
                "is",
                "long / practical",
                "short / stiff / impractical",
                "it boils in under two minutes / it turns itself off every time",
                "it takes for ever to boil / it leaks onto the plug",
            ),
        ),
        "I have never had better tea. / My sister wants the same one.",
        "It went in the bin. / I boil my water in a pan again.",
    ),
    Topic(
        "this campsite / the campsite by the river",
        "is",
        "it",
        "We put up our tent for a week. / We came with three children. / We stopped there on a bike tour.",
        (
            Aspect(
                "the showers",
                "were",
                "clean / hot / modern",
                "cold / dirty / mouldy",
                "there was always hot water / the showers were cleaned twice a day",
                "we queued half an hour for a shower / the hot water was gone by eight",
            ),
            Aspect(
                "the owner",
                "was",
                "kind / helpful / cheerful",
                "unfriendly / rude / grumpy",
                "the owner brought us warm rolls / the owner lent us a lamp",
                "nobody was there to let us in / the owner shouted at our children",
            ),
            Aspect(
                "the pitches",
                "were",
                "flat / shady / big",
                "stony / muddy / narrow",
                "we had a whole meadow to ourselves / there was shade all afternoon",
                "we could hear the neighbours chew / our tent stood in a puddle",
            ),
            Aspect(
                "the river bank",
                "was",
                "pretty / clean / peaceful",
                "dirty / smelly / loud",
                "we swam before breakfast every day / the children played by the water for hours",
                "there was rubbish in the bushes / the river smelled of drains",
            ),
            Aspect(
                "the nights",
                "were",
                "quiet / peaceful / calm",
                "noisy / cold",
                "we fell asleep to the sound of the river / we counted the stars",
                "the frogs were louder than the radio / a party next door went on until five / "
                "the lorries never stopped",
            ),
        ),
        "We stayed two days longer than planned. / The children want to move in.",
        "We packed up after one night. / A car park would have been nicer.",
    ),
    Topic(
        "this phone / the new phone",
        "is",
        "it",
        "I have had it for half a year. / I bought it for the camera. / My old one fell into a lake.",
        (
            Aspect(
                "the screen",
                "is",
                "bright / sharp",
                "dim / blurry / small",
                "I can read it in full sunlight / photos look alive on the screen",
                "the screen shows every fingerprint / the screen cracked in my pocket / "
                "I cannot read anything outdoors",
            ),
            Aspect(
                "the camera",
                "is",
                "sharp / quick / good",
                "slow / blurry / unreliable",
                "even my night pictures turn out well / every picture is a keeper",
                "faces come out a little green / every picture looks like fog",
            ),
            Aspect(
                "the battery",
                "is",
                "reliable / strong",
                "weak / unreliable",
                "the battery lasts two days / it charges during a shower",
                "the battery takes all night to charge / the battery dies before lunch / "
                "I have to carry the charger everywhere",
            ),
            Aspect(
                "the speaker",
                "is",
                "clear / loud",
                "tinny / quiet / crackly",
                "I understand every word on calls / it fills the kitchen with music",
                "the speaker crackles at full volume / nobody understands me on calls",
            ),
            Aspect(
                "the system",
                "is",
                "fast / smooth / simple",
                "slow / jerky / buggy",
                "everything opens at once / it took me five minutes to set it up",
                "it took me a whole day to set it up / it freezes ten times a day / it restarts in the middle of calls",
            ),
        ),
        "It is the best phone I have owned. / I would buy the same one again.",
        "I want my old phone back. / It has become a paperweight.",
    ),
    Topic(
        "this course / the evening course / the pottery course",
        "is",
        "it",
        "We met once a week. / I signed up with my neighbour. / I had never tried anything like it.",
        (
            Aspect(
                "the teacher",
                "was",
                "patient / funny / encouraging",
                "impatient / bored / sarcastic",
                "the teacher had time for everyone / the teacher knew all our names by the second week",
                "the teacher was often late / the teacher laughed at our questions",
            ),
            Aspect(
                "the lessons",
                "were",
                "clear / lively / varied",
                "boring / chaotic / confusing",
                "I learned something new every time / the hours flew by",
                "we did the same thing every week / half of the lessons were cancelled",
            ),
            Aspect(
                "the group",
                "was",
                "friendly / lively / cheerful",
                "noisy / unfriendly",
                "we helped each other and laughed a lot / I made two good friends",
                "nobody said a word / there were forty people in a room for ten",
            ),
            Aspect(
                "the handouts",
                "were",
                "useful / clear / well made",
                "messy / outdated",
                "I still use the notes / everything I made there is still in use",
                "we had to print the handouts ourselves / the handouts were full of mistakes",
            ),
        ),
        "I have signed up for the next one. / I was sorry when it ended.",
        "I stopped going after three weeks. / I learned more from the radio.",
    ),
    Topic(
        "this board game / the new card game",
        "is",
        "it",
        "We played it at the weekend. / I got it for my birthday. / We tried it with four players.",
        (
            Aspect(
                "the rules",
                "are",
                "simple / clear",
                "confusing / long / complicated",
                "we were playing after five minutes / the rules fit on one page",
                "it took us an hour to understand the rules / we read the rules for an hour and gave up / "
                "the rules contradict each other",
            ),
            Aspect(
                "the pieces",
                "are",
                "pretty / sturdy / well made",
                "flimsy / ugly / dull",
                "the little wooden ships are a delight / the box has a place for every piece",
                "the cards bent on the first evening / three pieces were missing",
            ),
            Aspect(
                "each round",
                "is",
                "exciting / quick / funny",
                "long / dull / tedious",
                "nobody looked at a phone all evening / we laughed until our bellies hurt",
                "you wait ten minutes for your turn / we were yawning after the first round",
            ),
            Aspect(
                "the scoring",
                "is",
                "fair / clever",
                "unfair / silly",
                "even the youngest has a chance to win / every game turns out differently",
                "you need a calculator to count the points / whoever starts wins every time / "
                "it ends in a quarrel every time",
            ),
        ),
        "We play it every Friday. / We stayed up far too late.",
        "It is gathering dust on the shelf. / We went back to our old cards.",
    ),
    Topic(
        "this swimming pool / the town pool / the pool in the park",
        "is",
        "it",
        "I swim there before work. / We took the children on Saturday. / I tried it for the first time.",
        (
            Aspect(
                "the water",
                "was",
                "clean / warm / clear",
                "cold / cloudy / dirty",
                "the water was as clear as glass / I did not want to get out",
                "the water smelled of chlorine / plasters were floating in the water / my eyes were burning for hours",
            ),
            Aspect(
                "the changing rooms",
                "were",
                "clean / spacious / warm",
                "dirty / cramped / chilly",
                "everything is wiped and dry / there is a hair dryer for everyone",
                "half of the lockers were broken / the floor was covered in hair",
            ),
            Aspect(
                "the lifeguard",
                "was",
                "attentive / friendly / calm",
                "grumpy / rude / careless",
                "the lifeguard showed my son how to dive / the lifeguard had an eye on everyone",
                "the lifeguard whistled at us for laughing / the lifeguard was asleep",
            ),
            Aspect(
                "the lanes",
                "were",
                "wide / quiet",
                "crowded / narrow / chaotic",
                "I had a lane to myself / even on Saturday there was room to swim",
                "I swam into somebody twice / there was no room to turn around",
            ),
            Aspect(
                "the slide",
                "was",
                "fast / thrilling",
                "slow / boring / rusty",
                "the children went down the slide thirty times / even my mother tried the slide",
                "we queued half an hour for the slide / the slide was closed again",
            ),
        ),
        "I bought a ticket for the whole season. / We stayed until our fingers were wrinkled.",
        "We dried off and left. / I would rather swim in the lake.",
    ),
)

# Frames: {a} {b} {c} are clauses that agree with the label, {x} concedes one that does not; a capital letter starts a
# sentence. {scene} says nothing good or bad; {overall}, {unmixed} and {end} are sentences that agree with the label.
FRAMES = (
    "{A}, and {b}. {end}",
    "{scene} {A}, and {b}.",
    "{scene} {A}. {end}",
    "{overall} {A}, and {b}.",
    "{A}, {b}, and {c}.",
    "{unmixed} {A}, and {b}.",
    "{scene} {A}, and {b}. {unmixed}",
    "{X}, but {a}, and {b}. {end}",
    "{X}, but {a}. {end}",
    "{scene} {X}, but {a}. {end}",
    "Although {x}, {a}, and {b}. {end}",
    "{X}. Still, {a}, and {b}. {end}",
    "{overall} {A}, and {b}, even if {x}.",
    "{overall} It is true that {x}, but {a}.",
    "Yes, {x}. But {a}, {b}, and in the end that is what counts.",
)

# What the (up to four) clauses of one review are made of, in every order: no two of them deny something.
FORMS = tuple(permutations(("clause", "clause", "adjective", "intensified", "denial"), 4))

INTENSIFIERS = {POSITIVE: "very / really / truly / wonderfully", NEGATIVE: "very / really / terribly / far too"}
CONCESSIVES = {POSITIVE: "fairly / really", NEGATIVE: "a little / rather / a bit"}

# How to give the label by denying the opposite: "not weak at all" praises, "not exactly comfortable" does not.
DENIALS = {
    POSITIVE: "not {} at all / anything but {} / not the least bit {} / far from {}",
    NEGATIVE: "not exactly {} / not {} at all / anything but {} / far from {} / not very {}",
}

OVERALL = {
    POSITIVE: "I love {name}. / {Name} {be} a joy. / I am very happy with {name}. / {Name} won me over at once. / "
    "{Name} made my week. / {Name} did not disappoint me. / I have fallen for {name}. / "
    "I did not expect much from {name}, and I was wrong.",
    NEGATIVE: "I am not impressed by {name}. / {Name} {be} a disappointment. / I expected better from {name}. / "
    "I am not happy with {name}. / {Name} did not win me over. / I wanted to like {name}, but I do not. / "
    "I would not wish {name} on anyone. / I cannot see why people like {name}.",
}

# Like OVERALL, but for reviews that concede nothing.
UNMIXED = {
    POSITIVE: "Full marks for {name}. / I have no complaints about {name}. / Not a single complaint from me. / "
    "There is nothing to complain about here. / Everything was just right. / I would not change a thing.",
    NEGATIVE: "No stars at all for {name}. / I have nothing but complaints about {name}. / "
    "Not one good word from me. / "
    "There is nothing to like here. / Everything was just wrong. / I can find nothing good to say.",
}

ENDS = {
    POSITIVE: "I would recommend {it} to anyone. / Warmly recommended. / I recommend {it} with all my heart. / "
    "You will not regret it. / Worth every penny. / What a lovely surprise! / I am delighted. / "
    "I have told all my friends about {it}.",
    NEGATIVE: "I would not recommend {it} to anyone. / I cannot recommend {it}. / Save your money. / Never again. / "
    "Not worth the money. / What a disappointment! / Stay away. / I have warned all my friends about {it}. / "
    "I regret it already.",
}


# --- The rules. ---


def digest(*parts: object) -> int:
    """A number that depends on the parts only: the same in every run, on every machine."""
    return int.from_bytes(sha256("|".join(map(str, parts)).encode()).digest()[:8], "big")


@cache
def options(text: str) -> tuple[str, ...]:
    """The things to choose from in a string of the tables."""
    return tuple(text.split(" / "))


def pick(choices: Sequence[T], *key: object) -> T:
    """One of the choices: always the same one for the same key."""
    return choices[digest(*key) % len(choices)]


def capital(text: str) -> str:
    """The text with a capital letter at the start."""
    return text[:1].upper() + text[1:]


def clause(aspect: Aspect, label: str, form: str, key: str, *, mild: bool = False) -> str:
    """A clause in which the aspect is praised (label ``positive``) or criticised (``negative``)."""
    said, meant, denied = (
        (aspect.praise, aspect.good, aspect.bad) if label == POSITIVE else (aspect.complaint, aspect.bad, aspect.good)
    )
    subject = f"{aspect.noun} {aspect.be}"
    adjective = pick(options(meant), key, "adjective")
    match form:
        case "adjective" | "intensified" if mild:
            return f"{subject} {pick(options(CONCESSIVES[label]), key)} {adjective}"
        case "adjective":
            return f"{subject} {adjective}"
        case "intensified":
            return f"{subject} {pick(options(INTENSIFIERS[label]), key)} {adjective}"
        case "denial":
            return f"{subject} {pick(options(DENIALS[label]), key).format(pick(options(denied), key, 'denied'))}"
        case _:
            return options(said)[0] if mild else pick(options(said), key, "said")


def compose(topic: Topic, frame: str, label: str, key: str) -> str:
    """One review of the topic in the given frame."""
    opposite = NEGATIVE if label == POSITIVE else POSITIVE
    aspects = sorted(topic.aspects, key=lambda aspect: digest(key, aspect.noun))
    slots = {
        slot: clause(aspect, opposite if slot == "x" else label, form, key + slot, mild=slot == "x")
        for slot, aspect, form in zip("abcx", aspects, pick(FORMS, key, "forms"), strict=False)
    }
    name = pick(options(topic.name), key, "name")
    words = {"name": name, "Name": capital(name), "be": topic.be, "it": topic.it}
    own_end = topic.good_end if label == POSITIVE else topic.bad_end
    return frame.format(
        **slots,
        **{slot.upper(): capital(text) for slot, text in slots.items()},
        scene=pick(options(topic.scene), key, "scene"),
        overall=pick(options(OVERALL[label]), key, "overall").format(**words),
        unmixed=pick(options(UNMIXED[label]), key, "unmixed").format(**words),
        end=pick(options(own_end) * 3 + options(ENDS[label]), key, "end").format(**words),
    )


def handwritten() -> Iterator[tuple[str, str]]:
    """The reviews written by hand."""
    for label, text in ((POSITIVE, PRAISE), (NEGATIVE, COMPLAINTS)):
        for line in text.splitlines():
            yield line, label


def composed() -> Iterator[tuple[str, str]]:
    """The reviews the grammar makes; a few may come twice."""
    for topic in TOPICS:
        for frame in FRAMES:
            for label in LABELS:
                for variant in range(VARIANTS_PER_FRAME):
                    yield compose(topic, frame, label, f"{topic.name}|{frame}|{label}|{variant}"), label


def reviews() -> Iterator[tuple[str, str]]:
    """All reviews as (text, label): each text once, in a fixed order that mixes topics and labels."""
    labels = dict(chain(handwritten(), composed()))
    yield from sorted(labels.items(), key=lambda review: digest(review[0]))
