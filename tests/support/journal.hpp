// SPDX-License-Identifier: BSL-1.0
// What happened, in order, in words; a failing comparison prints it.
#pragma once

#include <doctest/doctest.h>

#include <string>
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
