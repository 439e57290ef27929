// The draws of training. The same functions stand in src/issun/randomness.py, which explains them; a test compares the two.
#pragma once
#include "vector.hpp"

namespace {

constexpr uint64_t golden64 = 0x9E3779B97F4A7C15ull;
constexpr uint32_t golden32 = 0x9E3779B9u;
constexpr uint64_t purpose_dropout = 2;

INLINE uint64_t mix64(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

INLINE uint64_t dropout_stream(uint64_t seed, uint64_t epoch, uint64_t layer) {
  uint64_t key = mix64(seed + golden64);
  key = mix64((key ^ purpose_dropout) + golden64);
  key = mix64((key ^ epoch) + golden64);
  return mix64((key ^ layer) + golden64);
}

INLINE uint32_t image_key(uint64_t stream, uint64_t image) { return uint32_t(mix64(stream + (image + 1) * golden64) >> 32); }

INLINE vu mix32(vu x) {
  x = (x ^ (x >> 16)) * 0x85EBCA6Bu;
  x = (x ^ (x >> 13)) * 0xC2B2AE35u;
  return x ^ (x >> 16);
}

}  // namespace
