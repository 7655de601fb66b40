// SPDX-License-Identifier: BSL-1.0
// Keeps what was logged.
#pragma once

#include "cowire/logger.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// A logger and its records.
class Records {
 public:
  struct Record {
    cowire::LogLevel level;
    std::string line;
    bool has_error;
  };

  cowire::Logger logger() const {
    return {cowire::LogLevel::debug, [records = records_](const cowire::LogRecord& record) {
              records->push_back({record.level, to_string(record), record.error != nullptr});
            }};
  }

  /// The records of a level, or worse, whose line contains a text.
  std::size_t count(std::string_view text, cowire::LogLevel least = cowire::LogLevel::debug) const {
    return static_cast<std::size_t>(
        std::count_if(records_->begin(), records_->end(), [&](const Record& record) {
          return record.level >= least && record.line.find(text) != std::string::npos;
        }));
  }

  /// Warnings and errors: what a test that expects none prints when it fails.
  std::string complaints() const {
    std::string all;
    for (const Record& record : *records_) {
      if (record.level >= cowire::LogLevel::warning) {
        all += record.line + "\n";
      }
    }
    return all;
  }

  const std::vector<Record>& all() const { return *records_; }

  /// The position of the first record whose line contains the text; size of all() if there is none.
  std::size_t position(std::string_view text) const {
    const auto found = std::find_if(records_->begin(), records_->end(), [&](const Record& record) {
      return record.line.find(text) != std::string::npos;
    });
    return static_cast<std::size_t>(found - records_->begin());
  }

 private:
  std::shared_ptr<std::vector<Record>> records_ = std::make_shared<std::vector<Record>>();
};
