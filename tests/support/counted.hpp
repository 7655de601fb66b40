// SPDX-License-Identifier: BSL-1.0
#pragma once

/// A local variable that can be counted: stands for those of a generator, which are to be
/// destroyed.
class Counted {
 public:
  explicit Counted(int& alive) : alive_(&alive) { ++*alive_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --*alive_; }

 private:
  int* alive_;
};
