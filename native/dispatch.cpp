// Which instruction set: the one that is asked for by name, else the one that ISSUN_ISA names, else the widest that this machine has.
#include <cstdlib>
#include <stdexcept>

#include "engine.hpp"
#include "processor.hpp"

namespace issun {
namespace {

std::vector<const Kernels*> sets() {
  std::vector<const Kernels*> found;
#if defined(ISSUN_AVX512)
  if (processor().avx512) found.push_back(kernels_avx512());
#endif
#if defined(ISSUN_AVX2)
  if (processor().avx2) found.push_back(kernels_avx2());
#endif
  found.push_back(kernels_baseline());
#if defined(ISSUN_EMULATED)
  found.push_back(kernels_emulated());
#endif
  return found;
}

}  // namespace

std::vector<std::string> available_sets() {
  std::vector<std::string> names;
  for (const Kernels* kernels : sets()) names.emplace_back(kernels->name);
  return names;
}

std::vector<std::string> processor_sets() {
  std::vector<std::string> names;
#if defined(__x86_64__)
  if (processor().avx512) names.emplace_back("avx512");
  if (processor().avx2) names.emplace_back("avx2");
#endif
  names.emplace_back("baseline");
  return names;
}

const Kernels& choose_kernels(const std::string& asked) {
  const char* named = std::getenv("ISSUN_ISA");
  const std::string wanted = asked.empty() && named ? named : asked;
  if (wanted.empty()) return *sets().front();
  std::string known;
  for (const Kernels* kernels : sets()) {
    if (wanted == kernels->name) return *kernels;
    known += (known.empty() ? "" : ", ") + std::string(kernels->name);
  }
  throw std::runtime_error("the instruction set " + wanted + " must be one that this build can run on this machine: " + known);
}

}  // namespace issun
