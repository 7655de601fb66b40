// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cowire::testing {

/// What check_serializer() found. True if every law holds, and prints itself:
///
///     the packets depend on where the stream is cut
///       packets   "hello", ""
///       arrives   "5:h" | "ello,0:,"
///       expected  "hello", ""
///       came      "hllo", ""
///
/// In a condition, as in CHECK(report) or EXPECT_TRUE(report) << report, it is what ok() says.
class [[nodiscard]] CheckReport {
 public:
  bool ok() const noexcept { return law_.empty(); }
  explicit operator bool() const noexcept { return ok(); }

  /// The law that is broken, in one sentence; empty if none is.
  const std::string& law() const noexcept { return law_; }

  /// What was not checked, and why.
  const std::vector<std::string>& unchecked() const noexcept { return unchecked_; }

  /// The whole report, a few lines.
  std::string text() const {
    std::string out = law_;
    if (ok()) {
      out = "ok";
      for (const auto& [what, count] : counts_) {
        if (count != 0) {
          out += (out == "ok" ? ": " : ", ") + std::to_string(count) + " " + what;
        }
      }
    }
    for (const auto& [name, line] : lines_) {
      out += "\n  " + name + std::string(name.size() < 10 ? 10 - name.size() : 1, ' ') + line;
    }
    for (const std::string& what : unchecked_) {
      out += "\n  not checked: " + what;
    }
    return out;
  }

  /// For programs without a test framework. @throws std::logic_error unless ok().
  void or_throw() const {
    if (!ok()) {
      throw std::logic_error(text());
    }
  }

  friend std::ostream& operator<<(std::ostream& out, const CheckReport& report) {
    return out << report.text();
  }

  /// Used by the checks: the law that is broken. Always false.
  bool fail(std::string law, std::vector<std::pair<std::string, std::string>> lines = {}) {
    law_ = std::move(law);
    lines_ = std::move(lines);
    return false;
  }

  /// Used by the checks: something that was looked at.
  void count(std::string_view what, std::size_t more = 1) {
    for (auto& [name, count] : counts_) {
      if (name == what) {
        count += more;
        return;
      }
    }
    counts_.emplace_back(what, more);
  }

  /// Used by the checks: something that was not looked at.
  void leave_out(std::string what) { unchecked_.push_back(std::move(what)); }

 private:
  std::string law_;
  std::vector<std::pair<std::string, std::string>> lines_;
  std::vector<std::pair<std::string, std::size_t>> counts_;
  std::vector<std::string> unchecked_;
};

}  // namespace cowire::testing
