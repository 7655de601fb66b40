// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "cowire/error.hpp"

#include <concepts>
#include <string>
#include <string_view>
#include <utility>

namespace cowire {

/// Turns the objects a program works with into the data a serializer carries, and back.
///
/// For a const converter `c`, an object `o` to send, data `d` received by serializer `S`:
///
///     expression          result               meaning
///     C::sent_packet      type                 what the handler sends
///     C::received_packet  type                 what the handler sees
///     c.to_wire(o)        S::sent_packet       what the serializer is to write
///     c.from_wire(d)      C::received_packet   throws Error (errc::malformed) if the data make no
///                                              such object: the peer's fault, the stream goes on
///
/// Errors that name the field are made by `in_field` and `bad_field`, in both directions.
///
/// Any other exception of from_wire is taken for a mistake in it (errc::serializer_failed); what
/// to_wire throws is thrown by send_packet.
/// One converter serves all connections: it is const and keeps nothing.
template <class C, class S>
concept Converter = requires(const C& c, const typename C::sent_packet& object,
                             typename S::received_packet&& data) {
  typename C::sent_packet;
  typename C::received_packet;
  { c.to_wire(object) } -> std::convertible_to<typename S::sent_packet>;
  { c.from_wire(std::move(data)) } -> std::convertible_to<typename C::received_packet>;
};

/// A converter made of two functions; see make_converter().
template <class Sent, class Received, class ToWire, class FromWire>
class FunctionConverter {
 public:
  using sent_packet = Sent;
  using received_packet = Received;

  FunctionConverter(ToWire to, FromWire from)
      : to_wire_(std::move(to)), from_wire_(std::move(from)) {}

  auto to_wire(const Sent& object) const { return to_wire_(object); }

  template <class Data>
  Received from_wire(Data&& data) const {
    return from_wire_(std::forward<Data>(data));
  }

 private:
  ToWire to_wire_;
  FromWire from_wire_;
};

/// A converter from two functions: object to data, and data to object.
///
///     auto converter = make_converter<Reply, Request>(
///         [](const Reply& reply) { return reply.text(); },
///         [](std::string line) { return Request::parse(line); });
template <class Sent, class Received, class ToWire, class FromWire>
FunctionConverter<Sent, Received, ToWire, FromWire> make_converter(ToWire to_wire,
                                                                   FromWire from_wire) {
  return {std::move(to_wire), std::move(from_wire)};
}

/// An Error about one field: malformed in from_wire, not_sendable in to_wire.
///
///     throw bad_field(errc::malformed, "price", "a negative price");
///         // a negative price (field price): check that both sides use ...
inline Error bad_field(errc code, std::string_view field, std::string detail) {
  ErrorContext context;
  context.detail = std::move(detail);
  context.field = field;
  return Error(code, std::move(context));
}

/// Runs `f`, which converts a part of a packet; an Error of it says which part.
///
///     order.address = in_field("address", [&] { return address_from(wire.address); });
///         // errors of the field "zip" in there are of "address.zip"
template <class F>
decltype(auto) in_field(std::string_view field, F&& f) {
  try {
    return std::forward<F>(f)();
  } catch (const Error& error) {
    throw error.in_field(field);
  }
}

}  // namespace cowire
