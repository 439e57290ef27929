// Which instruction set: the widest that this machine has, or the one that ISSUN_ISA names.
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

const Kernels& choose_kernels() {
  const char* wanted = std::getenv("ISSUN_ISA");
  if (!wanted || !*wanted) return *sets().front();
  std::string known;
  for (const Kernels* kernels : sets()) {
    if (std::string(wanted) == kernels->name) return *kernels;
    known += (known.empty() ? "" : ", ") + std::string(kernels->name);
  }
  throw std::runtime_error("`ISSUN_ISA` (=" + std::string(wanted) + ") must be an instruction set that this machine has: " + known);
}

}  // namespace issun
