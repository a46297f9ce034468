// Runs an ONNX model on raw inputs: see runner.hpp.
//
// The header may be older than the runtime, which keeps the calls of earlier versions.
#include <onnxruntime_cxx_api.h>
#include <time.h>

#include "runner.hpp"

namespace {

struct Input {
  std::vector<int64_t> shape;
  ONNXTensorElementDataType type;
  std::vector<char> data;
};

size_t size_of(ONNXTensorElementDataType type) {
  switch (type) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT: return 4;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16: return 2;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8: return 1;
    default: fail("an input is neither fp32 nor fp16 nor uint8");
  }
}

Ort::SessionOptions one_thread() {
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(1);
  options.SetInterOpNumThreads(1);
  return options;
}

class Session {
 public:
  explicit Session(const char* path) : session_(environment_, path, one_thread()) {
    Ort::AllocatorWithDefaultOptions allocator;
    Ort::MemoryInfo memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    inputs_.reserve(session_.GetInputCount());
    for (size_t i = 0; i < session_.GetInputCount(); ++i) {
      Ort::TypeInfo info = session_.GetInputTypeInfo(i);
      Input& input = inputs_.emplace_back();
      input.shape = info.GetTensorTypeAndShapeInfo().GetShape();
      input.type = info.GetTensorTypeAndShapeInfo().GetElementType();
      size_t bytes = size_of(input.type);
      for (int64_t& side : input.shape) {
        if (side < 0) side = 1;  // a dynamic batch, of one image
        bytes *= static_cast<size_t>(side);
      }
      input.data.resize(bytes);
      names_.push_back(session_.GetInputNameAllocated(i, allocator).get());
      values_.push_back(Ort::Value::CreateTensor(memory, input.data.data(), bytes,
                                                 input.shape.data(), input.shape.size(),
                                                 input.type));
    }
    for (const std::string& name : names_) input_names_.push_back(name.c_str());
    output_name_ = session_.GetOutputNameAllocated(0, allocator).get();
  }

  std::vector<Buffer> inputs() {
    std::vector<Buffer> buffers;
    for (Input& input : inputs_)
      buffers.push_back({input.data.data(), static_cast<std::streamsize>(input.data.size())});
    return buffers;
  }

  Buffer run() {
    const char* name = output_name_.c_str();
    outputs_ = session_.Run(Ort::RunOptions(), input_names_.data(), values_.data(), values_.size(),
                            &name, 1);
    Ort::TensorTypeAndShapeInfo info = outputs_[0].GetTensorTypeAndShapeInfo();
    if (info.GetElementType() != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) fail("the output is no fp32");
    return {outputs_[0].GetTensorMutableData<char>(),
            static_cast<std::streamsize>(info.GetElementCount() * sizeof(float))};
  }

 private:
  Ort::Env environment_{ORT_LOGGING_LEVEL_ERROR};
  Ort::Session session_;
  std::vector<Input> inputs_;
  std::vector<std::string> names_;
  std::vector<const char*> input_names_;
  std::string output_name_;
  std::vector<Ort::Value> values_, outputs_;
};

}  // namespace

// Found before the C library's: ONNX Runtime's allocations follow the time of day, and counts would
// follow them. This clock is the same every time.
extern "C" int clock_gettime(clockid_t, timespec* time) noexcept {
  static long microseconds = 0;
  ++microseconds;
  time->tv_sec = 1'700'000'000 + microseconds / 1'000'000;
  time->tv_nsec = microseconds % 1'000'000 * 1000;
  return 0;
}

int main(int argc, char** argv) {
  try {
    return run_model<Session>(argc, argv);
  } catch (const Ort::Exception& error) {
    fail(error.what());
  }
}
