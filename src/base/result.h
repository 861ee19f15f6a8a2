// Either a value or the list of everything that is wrong with the input.
#pragma once

#include <utility>
#include <variant>

#include "base/diagnostic.h"

namespace heddle {

template <class T>
class [[nodiscard]] Result {
 public:
  // Implicit on purpose: `return value;` and `return error_at(...);` read as they are meant.
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Diagnostics errors) : state_(std::in_place_index<1>, std::move(errors)) {}
  Result(Diagnostic error) : state_(std::in_place_index<1>, Diagnostics{std::move(error)}) {}

  bool ok() const { return state_.index() == 0; }
  T& value() & { return get(*this); }
  const T& value() const& { return get(*this); }
  T&& value() && { return std::move(get(*this)); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }

  // All errors; only when !ok().
  const Diagnostics& errors() const {
    HEDDLE_CHECK(!ok(), "errors() of a Result that holds a value");
    return *std::get_if<1>(&state_);
  }

 private:
  template <class Self>
  static auto& get(Self& self) {
    HEDDLE_CHECK(self.ok(), "value() of a Result that holds errors");
    return *std::get_if<0>(&self.state_);
  }
  std::variant<T, Diagnostics> state_;
};

struct Unit {};  // the value of a Result that has none
using Status = Result<Unit>;

}  // namespace heddle
