// Runs an ExecuTorch program on raw inputs: see runner.hpp.
#include <executorch/extension/module/module.h>
#include <executorch/extension/threadpool/threadpool_guard.h>

#include "runner.hpp"

using executorch::aten::Tensor;
using executorch::aten::TensorImpl;
using executorch::extension::Module;
using executorch::runtime::EValue;

namespace {

// One tensor's memory and shape, which an EValue points into.
struct Input {
  std::vector<TensorImpl::SizesType> sizes;
  std::vector<TensorImpl::DimOrderType> order;
  std::vector<char> data;
  TensorImpl impl;

  explicit Input(const executorch::runtime::TensorInfo& info)
      : sizes(info.sizes().begin(), info.sizes().end()),
        order(info.dim_order().begin(), info.dim_order().end()),
        data(info.nbytes()),
        impl(info.scalar_type(), static_cast<ssize_t>(sizes.size()), sizes.data(), data.data(),
             order.data()) {}
};

class Program {
 public:
  explicit Program(const char* path) : module_(path) {
    auto meta = module_.method_meta("forward");
    if (!meta.ok()) fail("cannot load the program");
    inputs_.reserve(meta->num_inputs());
    for (size_t i = 0; i < meta->num_inputs(); ++i) {
      auto info = meta->input_tensor_meta(i);
      if (!info.ok()) fail("an input is no tensor");
      inputs_.emplace_back(*info);
    }
    for (Input& input : inputs_) arguments_.emplace_back(Tensor(&input.impl));
  }

  std::vector<Buffer> inputs() {
    std::vector<Buffer> buffers;
    for (Input& input : inputs_)
      buffers.push_back({input.data.data(), static_cast<std::streamsize>(input.data.size())});
    return buffers;
  }

  Buffer run() {
    auto result = module_.forward(arguments_);
    if (!result.ok())
      fail("the program failed: error " + std::to_string(static_cast<int>(result.error())));
    Tensor output = result->at(0).toTensor();
    if (output.scalar_type() != executorch::aten::ScalarType::Float) fail("the output is no fp32");
    return {static_cast<char*>(output.mutable_data_ptr()),
            static_cast<std::streamsize>(output.nbytes())};
  }

 private:
  Module module_;
  std::vector<Input> inputs_;
  std::vector<EValue> arguments_;
};

}  // namespace

int main(int argc, char** argv) {
  executorch::extension::threadpool::NoThreadPoolGuard one_thread;
  return run_model<Program>(argc, argv);
}
