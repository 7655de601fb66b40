// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace cowire::detail {

// A node of an intrusive list, whose head is a `Node*`; `Node` derives from it. It leaves the list
// by itself.
template <class Node>
class ListNode {
 public:
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;

  // Into the list, before the node that `link` points to. @pre It is in none.
  void enter(Node*& link) noexcept {
    next_ = link;
    link_ = &link;
    if (next_ != nullptr) {
      next_->link_ = &next_;
    }
    link = static_cast<Node*>(this);
  }

  // The link behind the last node of the list.
  static Node*& end_of(Node*& first) noexcept {
    Node** link = &first;
    while (*link != nullptr) {
      link = &(*link)->next_;
    }
    return *link;
  }

  void leave() noexcept {
    if (link_ != nullptr) {
      *link_ = next_;
      if (next_ != nullptr) {
        next_->link_ = link_;
      }
      link_ = nullptr;
      next_ = nullptr;
    }
  }

  bool is_in_list() const noexcept { return link_ != nullptr; }
  Node* next() const noexcept { return next_; }

 protected:
  ListNode() = default;
  ~ListNode() { leave(); }

 private:
  Node** link_ = nullptr;  // what points to this node
  Node* next_ = nullptr;
};

}  // namespace cowire::detail
