// Large tables that are mostly zero: pages of the host come into being when they are written, so a
// table of the whole address space costs what is used of it (calloc() may clear all of it).
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <utility>

#include "base/diagnostic.h"

namespace heddle::sim {

template <class T>
class LazyZeros {
 public:
  explicit LazyZeros(size_t count) : bytes_(count * sizeof(T)) {
    void* const data = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    HEDDLE_CHECK(data != MAP_FAILED, "out of memory");
    data_ = static_cast<T*>(data);
  }
  LazyZeros(LazyZeros&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}
  LazyZeros(const LazyZeros&) = delete;
  LazyZeros& operator=(const LazyZeros&) = delete;
  LazyZeros& operator=(LazyZeros&&) = delete;
  ~LazyZeros() {
    if (data_ != nullptr) ::munmap(data_, bytes_);
  }

  T* get() const { return data_; }
  T& operator[](size_t i) const { return data_[i]; }

 private:
  T* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace heddle::sim
