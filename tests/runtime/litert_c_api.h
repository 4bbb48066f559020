// Those functions of LiteRT 2.3's C API that the listing in docs/mobile.md calls, for machines without LiteRT's headers.
#pragma once

#include <stddef.h>
#include <stdint.h>

extern "C" {

typedef size_t LiteRtParamIndex;
typedef struct LiteRtCompiledModelT* LiteRtCompiledModel;
typedef struct LiteRtEnvironmentT* LiteRtEnvironment;
typedef struct LiteRtModelT* LiteRtModel;
typedef struct LiteRtOptionsT* LiteRtOptions;
typedef struct LiteRtSignatureT* LiteRtSignature;
typedef struct LiteRtTensorT* LiteRtTensor;
typedef struct LiteRtTensorBufferT* LiteRtTensorBuffer;
typedef struct LiteRtTensorBufferRequirementsT* LiteRtTensorBufferRequirements;

typedef enum { kLiteRtStatusOk = 0 } LiteRtStatus;
typedef enum { kLiteRtTensorBufferLockModeRead = 0, kLiteRtTensorBufferLockModeWrite = 1 } LiteRtTensorBufferLockMode;
enum { kLiteRtHwAcceleratorCpu = 1 };

typedef struct {
  int32_t element_type;
  struct {
    unsigned int rank : 7;
    unsigned int has_strides : 1;
    int32_t dimensions[8];
    uint32_t strides[8];
  } layout;
} LiteRtRankedTensorType;

LiteRtStatus LiteRtCreateEnvironment(int options, const void* option, LiteRtEnvironment* environment);
LiteRtStatus LiteRtCreateModelFromFile(LiteRtEnvironment environment, const char* file, LiteRtModel* model);
LiteRtStatus LiteRtCreateOptions(LiteRtOptions* options);
LiteRtStatus LiteRtSetOptionsHardwareAccelerators(LiteRtOptions options, int accelerators);
LiteRtStatus LiteRtCreateCompiledModel(LiteRtEnvironment environment, LiteRtModel model, LiteRtOptions options,
                                       LiteRtCompiledModel* compiled);
void LiteRtDestroyEnvironment(LiteRtEnvironment environment);
void LiteRtDestroyModel(LiteRtModel model);
void LiteRtDestroyOptions(LiteRtOptions options);
void LiteRtDestroyCompiledModel(LiteRtCompiledModel compiled);

LiteRtStatus LiteRtGetModelMetadata(LiteRtModel model, const char* entry, const void** data, size_t* bytes);
LiteRtStatus LiteRtGetNumModelSignatures(LiteRtModel model, LiteRtParamIndex* count);
LiteRtStatus LiteRtGetModelSignature(LiteRtModel model, LiteRtParamIndex index, LiteRtSignature* signature);
LiteRtStatus LiteRtGetSignatureKey(LiteRtSignature signature, const char** key);
LiteRtStatus LiteRtGetNumSignatureInputs(LiteRtSignature signature, LiteRtParamIndex* count);
LiteRtStatus LiteRtGetSignatureInputName(LiteRtSignature signature, LiteRtParamIndex index, const char** name);
LiteRtStatus LiteRtGetSignatureInputTensor(LiteRtSignature signature, const char* name, LiteRtTensor* tensor);
LiteRtStatus LiteRtGetNumSignatureOutputs(LiteRtSignature signature, LiteRtParamIndex* count);
LiteRtStatus LiteRtGetSignatureOutputName(LiteRtSignature signature, LiteRtParamIndex index, const char** name);
LiteRtStatus LiteRtGetSignatureOutputTensor(LiteRtSignature signature, const char* name, LiteRtTensor* tensor);
LiteRtStatus LiteRtGetRankedTensorType(LiteRtTensor tensor, LiteRtRankedTensorType* type);

LiteRtStatus LiteRtGetCompiledModelInputBufferRequirements(LiteRtCompiledModel compiled, LiteRtParamIndex signature,
                                                           LiteRtParamIndex input, LiteRtTensorBufferRequirements* needs);
LiteRtStatus LiteRtGetCompiledModelOutputBufferRequirements(LiteRtCompiledModel compiled, LiteRtParamIndex signature,
                                                            LiteRtParamIndex output,
                                                            LiteRtTensorBufferRequirements* needs);
LiteRtStatus LiteRtRunCompiledModel(LiteRtCompiledModel compiled, LiteRtParamIndex signature, size_t input_count,
                                    LiteRtTensorBuffer* inputs, size_t output_count, LiteRtTensorBuffer* outputs);

LiteRtStatus LiteRtCreateManagedTensorBufferFromRequirements(LiteRtEnvironment environment,
                                                             const LiteRtRankedTensorType* type,
                                                             LiteRtTensorBufferRequirements needs,
                                                             LiteRtTensorBuffer* buffer);
LiteRtStatus LiteRtGetTensorBufferPackedSize(LiteRtTensorBuffer buffer, size_t* bytes);
LiteRtStatus LiteRtLockTensorBuffer(LiteRtTensorBuffer buffer, void** memory, LiteRtTensorBufferLockMode mode);
LiteRtStatus LiteRtUnlockTensorBuffer(LiteRtTensorBuffer buffer);
void LiteRtDestroyTensorBuffer(LiteRtTensorBuffer buffer);

}  // extern "C"
