// SPDX-License-Identifier: BSL-1.0
#include "cowire/detail/stream_marks.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using cowire::detail::StreamMarks;

namespace {

std::vector<std::string> pass(StreamMarks<std::string>& marks, std::size_t n) {
  std::vector<std::string> passed;
  marks.pass(n, [&passed](std::string item) { passed.push_back(std::move(item)); });
  return passed;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a mark passes with its byte, and not before") {
  StreamMarks<std::string> marks;
  CHECK(marks.empty());
  CHECK(pass(marks, 1000).empty());  // Nobody counts what comes before the first mark.
  marks.push(2, "third");
  marks.push(2, "too");
  marks.push(5, "sixth");
  CHECK(marks.ahead() == 2);
  CHECK(pass(marks, 2).empty());
  CHECK(marks.ahead() == 0);
  CHECK(marks.front() == "third");
  CHECK(pass(marks, 0).empty());
  CHECK((pass(marks, 1) == Texts{"third", "too"}));
  CHECK(marks.ahead() == 2);
  marks.push(3, "seventh");
  CHECK((pass(marks, 10) == Texts{"sixth", "seventh"}));
  CHECK(marks.empty());
  marks.push(0, "again");
  CHECK(marks.ahead() == 0);
  marks.clear();
  CHECK(marks.empty());
  CHECK(pass(marks, 1).empty());
}
