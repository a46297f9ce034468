// Runs an ExecuTorch program on raw inputs: runner MODEL.pte INPUTS OUTPUT
//
// INPUTS holds the tensors of every input of every image, one after another, as the program wants
// them; OUTPUT receives the first output of every image. One more inference of the last image stands
// between two markers for the instruction counter. One thread.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <executorch/extension/module/module.h>
#include <executorch/extension/threadpool/threadpool_guard.h>

using executorch::aten::Tensor;
using executorch::aten::TensorImpl;
using executorch::extension::Module;
using executorch::runtime::EValue;

namespace {

constexpr int kMarkerFd = 1000;

[[noreturn]] void fail(const std::string& reason) {
  std::fprintf(stderr, "runner: %s\n", reason.c_str());
  std::exit(1);
}

void mark() {
  // Nobody has this descriptor: the call fails, and the counter sees it.
  if (write(kMarkerFd, "", 0) >= 0) fail("the marker's descriptor is open");
}

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

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string(argv[1]) == "--version") return 0;  // its libraries were found
  if (argc != 4) fail("usage: runner MODEL.pte INPUTS OUTPUT");
  executorch::extension::threadpool::NoThreadPoolGuard one_thread;

  Module module(argv[1]);
  auto meta = module.method_meta("forward");
  if (!meta.ok()) fail("cannot load the program");
  std::vector<Input> inputs;
  inputs.reserve(meta->num_inputs());
  for (size_t i = 0; i < meta->num_inputs(); ++i) {
    auto info = meta->input_tensor_meta(i);
    if (!info.ok()) fail("an input is no tensor");
    inputs.emplace_back(*info);
  }
  std::vector<EValue> arguments;
  for (Input& input : inputs) arguments.emplace_back(Tensor(&input.impl));

  std::ifstream source(argv[2], std::ios::binary);
  std::ofstream target(argv[3], std::ios::binary);
  if (!source || !target) fail("cannot open the inputs or the output");
  int images = 0;
  auto run = [&] {
    auto result = module.forward(arguments);
    if (!result.ok())
      fail("the program failed: error " + std::to_string(static_cast<int>(result.error())));
    Tensor output = result->at(0).toTensor();
    if (output.scalar_type() != executorch::aten::ScalarType::Float) fail("the output is no fp32");
    return output;
  };
  while (source.peek() != std::char_traits<char>::eof()) {
    for (Input& input : inputs)
      if (!source.read(input.data.data(), static_cast<std::streamsize>(input.data.size())))
        fail("the inputs end early");
    Tensor output = run();
    target.write(static_cast<const char*>(output.const_data_ptr()),
                 static_cast<std::streamsize>(output.nbytes()));
    ++images;
  }
  if (images == 0) fail("no inputs");
  mark();
  run();
  mark();
  return target.flush() ? 0 : 1;
}
