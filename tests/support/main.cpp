// SPDX-License-Identifier: BSL-1.0
// The main function of every test program: doctest's, under a deadline.
#define DOCTEST_CONFIG_IMPLEMENT

#include <doctest/doctest.h>

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>

namespace {

constexpr unsigned deadline_seconds = 120;

void write_text(const char* text) {
  // There is nothing left to do if even standard error cannot be written.
  if (::write(STDERR_FILENO, text, std::strlen(text)) < 0) std::abort();
}

// Runs as a signal handler: calls only what is allowed there.
extern "C" void on_deadline(int) {
  write_text(
      "\nThe test program did not end in time: something waits for ever in the test case\n  ");
  const auto* options = doctest::getContextOptions();
  const auto* test = options != nullptr ? options->currentTest : nullptr;
  write_text(test != nullptr ? test->m_name : "(none: before or after the tests)");
  write_text("\n");
  std::signal(SIGABRT, SIG_DFL);  // doctest's own handler allocates memory
  std::abort();
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGALRM, on_deadline);
  ::alarm(deadline_seconds);
  doctest::Context context(argc, argv);
  const int result = context.run();
  ::alarm(0);
  return result;
}
