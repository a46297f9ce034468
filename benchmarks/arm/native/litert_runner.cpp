// Runs a LiteRT model on raw inputs: see runner.hpp.
//
// The wheel ships no headers: the few declarations needed of LiteRT's C API stand here.
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "runner.hpp"

extern "C" {
typedef struct LiteRtEnvironmentT* LiteRtEnvironment;
typedef struct LiteRtModelT* LiteRtModel;
typedef struct LiteRtSignatureT* LiteRtSignature;
typedef struct LiteRtTensorT* LiteRtTensor;
typedef struct LiteRtOptionsT* LiteRtOptions;
typedef struct LiteRtOpaqueOptionsT* LiteRtOpaqueOptions;
typedef struct LiteRtCompiledModelT* LiteRtCompiledModel;
typedef struct LiteRtTensorBufferRequirementsT* LiteRtTensorBufferRequirements;
typedef struct LiteRtTensorBufferT* LiteRtTensorBuffer;

enum LiteRtStatus : int { kOk = 0 };
enum { kFloat32 = 1 };  // of LiteRtElementType
enum { kCpu = 1 };      // of LiteRtHwAccelerators

struct LiteRtRankedTensorType {
  int element_type;
  struct {
    uint32_t rank_and_flags;
    int32_t dimensions[8];
    uint32_t strides[8];
  } layout;
};
static_assert(sizeof(LiteRtRankedTensorType) == 72, "LiteRT's ABI");

LiteRtStatus LiteRtCreateEnvironment(int count, const void* options, LiteRtEnvironment*);
LiteRtStatus LiteRtCreateModelFromFile(LiteRtEnvironment, const char* path, LiteRtModel*);
LiteRtStatus LiteRtGetModelSignature(LiteRtModel, size_t, LiteRtSignature*);
LiteRtStatus LiteRtGetNumSignatureInputs(LiteRtSignature, size_t*);
LiteRtStatus LiteRtGetNumSignatureOutputs(LiteRtSignature, size_t*);
LiteRtStatus LiteRtGetSignatureInputTensorByIndex(LiteRtSignature, size_t, LiteRtTensor*);
LiteRtStatus LiteRtGetSignatureOutputTensorByIndex(LiteRtSignature, size_t, LiteRtTensor*);
LiteRtStatus LiteRtGetRankedTensorType(LiteRtTensor, LiteRtRankedTensorType*);
LiteRtStatus LiteRtCreateOptions(LiteRtOptions*);
LiteRtStatus LiteRtSetOptionsHardwareAccelerators(LiteRtOptions, int);
LiteRtStatus LiteRtCreateOpaqueOptions(const char* identifier, void* payload, void (*)(void*),
                                       LiteRtOpaqueOptions*);
LiteRtStatus LiteRtAddOpaqueOptions(LiteRtOptions, LiteRtOpaqueOptions);
LiteRtStatus LiteRtCreateCompiledModel(LiteRtEnvironment, LiteRtModel, LiteRtOptions,
                                       LiteRtCompiledModel*);
LiteRtStatus LiteRtCompiledModelIsFullyAccelerated(LiteRtCompiledModel, bool*);
LiteRtStatus LiteRtGetCompiledModelInputBufferRequirements(LiteRtCompiledModel, size_t signature,
                                                           size_t,
                                                           LiteRtTensorBufferRequirements*);
LiteRtStatus LiteRtGetCompiledModelOutputBufferRequirements(LiteRtCompiledModel, size_t signature,
                                                            size_t,
                                                            LiteRtTensorBufferRequirements*);
LiteRtStatus LiteRtCreateManagedTensorBufferFromRequirements(LiteRtEnvironment,
                                                             const LiteRtRankedTensorType*,
                                                             LiteRtTensorBufferRequirements,
                                                             LiteRtTensorBuffer*);
LiteRtStatus LiteRtGetTensorBufferHostMemory(LiteRtTensorBuffer, void**);
LiteRtStatus LiteRtGetTensorBufferPackedSize(LiteRtTensorBuffer, size_t*);
LiteRtStatus LiteRtRunCompiledModel(LiteRtCompiledModel, size_t signature, size_t num_inputs,
                                    LiteRtTensorBuffer* inputs, size_t num_outputs,
                                    LiteRtTensorBuffer* outputs);
}

namespace {

constexpr size_t kSignature = 0;

void check(LiteRtStatus status, const char* what) {
  if (status != kOk)
    fail(std::string(what) + " failed: LiteRT's status " + std::to_string(int(status)));
}

// The processor, by way of XNNPACK, with one thread.
LiteRtOptions one_thread() {
  LiteRtOptions options;
  LiteRtOpaqueOptions cpu;
  check(LiteRtCreateOptions(&options), "making options");
  check(LiteRtSetOptionsHardwareAccelerators(options, kCpu), "choosing the processor");
  // Options of an accelerator are TOML.
  check(LiteRtCreateOpaqueOptions("xnnpack", strdup("num_threads = 1\n"), std::free, &cpu),
        "making XNNPACK's options");
  check(LiteRtAddOpaqueOptions(options, cpu), "adding XNNPACK's options");
  return options;
}

class Model {
 public:
  explicit Model(const char* path) {
    LiteRtSignature signature;
    check(LiteRtCreateEnvironment(0, nullptr, &environment_), "starting");
    check(LiteRtCreateModelFromFile(environment_, path, &model_), "loading the model");
    check(LiteRtGetModelSignature(model_, kSignature, &signature), "finding a signature");
    check(LiteRtCreateCompiledModel(environment_, model_, one_thread(), &compiled_),
          "preparing the model");
    bool delegated = false;
    check(LiteRtCompiledModelIsFullyAccelerated(compiled_, &delegated), "asking for the delegate");
    if (!delegated) fail("XNNPACK does not take the whole model");
    size_t inputs, outputs;
    check(LiteRtGetNumSignatureInputs(signature, &inputs), "counting inputs");
    check(LiteRtGetNumSignatureOutputs(signature, &outputs), "counting outputs");
    for (size_t i = 0; i < inputs; ++i) {
      LiteRtTensor tensor;
      LiteRtTensorBufferRequirements needs;
      check(LiteRtGetSignatureInputTensorByIndex(signature, i, &tensor), "finding an input");
      check(LiteRtGetCompiledModelInputBufferRequirements(compiled_, kSignature, i, &needs),
            "asking for an input's memory");
      inputs_.push_back(buffer(tensor, needs));
    }
    for (size_t i = 0; i < outputs; ++i) {
      LiteRtTensor tensor;
      LiteRtTensorBufferRequirements needs;
      check(LiteRtGetSignatureOutputTensorByIndex(signature, i, &tensor), "finding an output");
      if (i == 0 && type_of(tensor).element_type != kFloat32) fail("the output is no fp32");
      check(LiteRtGetCompiledModelOutputBufferRequirements(compiled_, kSignature, i, &needs),
            "asking for an output's memory");
      outputs_.push_back(buffer(tensor, needs));
    }
  }

  std::vector<Buffer> inputs() {
    std::vector<Buffer> buffers;
    for (LiteRtTensorBuffer input : inputs_) buffers.push_back(memory(input));
    return buffers;
  }

  Buffer run() {
    check(LiteRtRunCompiledModel(compiled_, kSignature, inputs_.size(), inputs_.data(),
                                 outputs_.size(), outputs_.data()),
          "running the model");
    return memory(outputs_[0]);
  }

 private:
  static LiteRtRankedTensorType type_of(LiteRtTensor tensor) {
    LiteRtRankedTensorType type;
    check(LiteRtGetRankedTensorType(tensor, &type), "asking for a tensor's type");
    return type;
  }

  LiteRtTensorBuffer buffer(LiteRtTensor tensor, LiteRtTensorBufferRequirements needs) {
    LiteRtRankedTensorType type = type_of(tensor);
    LiteRtTensorBuffer made;
    check(LiteRtCreateManagedTensorBufferFromRequirements(environment_, &type, needs, &made),
          "making a tensor's memory");
    return made;
  }

  static Buffer memory(LiteRtTensorBuffer buffer) {
    void* data;
    size_t bytes;
    check(LiteRtGetTensorBufferHostMemory(buffer, &data), "finding a tensor's memory");
    check(LiteRtGetTensorBufferPackedSize(buffer, &bytes), "asking for a tensor's size");
    return {static_cast<char*>(data), static_cast<std::streamsize>(bytes)};
  }

  LiteRtEnvironment environment_;
  LiteRtModel model_;
  LiteRtCompiledModel compiled_;
  std::vector<LiteRtTensorBuffer> inputs_, outputs_;
};

}  // namespace

int main(int argc, char** argv) { return run_model<Model>(argc, argv); }
