// SPDX-License-Identifier: BSL-1.0
// What happened, in order, in words; a failing comparison prints it.
#pragma once

#include "cowire/task.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

using Journal = std::vector<std::string>;

template <>
struct doctest::StringMaker<Journal> {
  static doctest::String convert(const Journal& journal) {
    std::string all;
    for (const std::string& entry : journal) {
      all += (all.empty() ? "" : ", ") + entry;
    }
    return ("[" + all + "]").c_str();
  }
};

/// A hook that only leaves a word.
inline cowire::Task<void> note(std::string& journal, std::string word) {
  journal += word;
  co_return;
}
