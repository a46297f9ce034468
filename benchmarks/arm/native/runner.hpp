// What the runners share: RUNNER MODEL INPUTS OUTPUT
//
// INPUTS holds the tensors of every input of every image, one after another, as the model wants
// them; OUTPUT receives the first output of every image. Then the last image is run again, once to
// settle what a runtime plans after its first inference, and once between two markers for the
// instruction counter. One thread.
#pragma once

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

constexpr int kMarkerFd = 1000;

[[noreturn]] inline void fail(const std::string& reason) {
  std::fprintf(stderr, "runner: %s\n", reason.c_str());
  std::exit(1);
}

inline void mark() {
  // Nobody has this descriptor: the call fails, and the counter sees it.
  if (write(kMarkerFd, "", 0) >= 0) fail("the marker's descriptor is open");
}

// A tensor's numbers, owned by the model.
struct Buffer {
  char* data;
  std::streamsize bytes;
};

// Model is made of a path; inputs() are its input tensors, run() gives the first output, in fp32.
template <class Model>
int run_model(int argc, char** argv) {
  if (argc == 2 && std::string(argv[1]) == "--version") return 0;  // its libraries were found
  if (argc != 4) fail("usage: runner MODEL INPUTS OUTPUT");
  Model model(argv[1]);
  std::ifstream source(argv[2], std::ios::binary);
  std::ofstream target(argv[3], std::ios::binary);
  if (!source || !target) fail("cannot open the inputs or the output");
  int images = 0;
  for (; source.peek() != std::char_traits<char>::eof(); ++images) {
    for (Buffer input : model.inputs())
      if (!source.read(input.data, input.bytes)) fail("the inputs end early");
    Buffer output = model.run();
    target.write(output.data, output.bytes);
  }
  if (images == 0) fail("no inputs");
  model.run();
  mark();
  model.run();
  mark();
  return target.flush() ? 0 : 1;
}
