// The core without Python, for sanitizers and for other systems: `check FILE THREADS…` runs every case of a file, once for each number of
// threads. `check --bits FILE THREADS…` prints a checksum of what each case gave, so that the bits of two builds can be compared.
//
// A case is a network as it is given to the core, with a recipe; tests/core_cases.py writes them. Each is trained for two epochs whose
// last batch is not full, asked for logits and a gradient, and takes a step. The bits must be the same for any number of threads, and as
// many allocations must come with many steps as with few. Every array has exactly the size that the core may touch, and what an engine
// says that it takes is what it asks of the allocator, beside its plan, to the byte.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <type_traits>

#include "engine.hpp"
#include "fields.hpp"

using namespace issun;

namespace {
std::atomic<int64_t> allocations{0}, held{0};  // held: bytes
// ThreadSanitizer's runtime tells nothing of aligned allocations, which is what arenas are.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool counts_bytes = true;
#else
constexpr bool counts_bytes = false;
#endif
}

// Called by the runtime of every sanitizer after each allocation of the process. In a build without one, nothing is counted.
extern "C" void __sanitizer_malloc_hook(const volatile void*, size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  held.fetch_add(int64_t(bytes), std::memory_order_relaxed);
}
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
extern "C" size_t __sanitizer_get_allocated_size(const volatile void*);
extern "C" void __sanitizer_free_hook(const volatile void* memory) {
  if (memory) held.fetch_sub(int64_t(__sanitizer_get_allocated_size(memory)), std::memory_order_relaxed);
}
#endif

namespace {

using Record = std::map<std::string, double>;  // holds every int that is given, to the last digit

struct Case {
  std::string name;
  Record settings;
  std::vector<Record> operators;
  std::map<std::string, std::vector<double>> numbers;
};

double get(const Record& record, const char* key) {
  const auto found = record.find(key);
  if (found == record.end()) throw std::runtime_error(std::string("a case lacks ") + key);
  return found->second;
}

Record read_record(std::istringstream& words) {
  Record record;
  std::string key;
  double value;
  while (words >> key >> value) record[key] = value;
  return record;
}

std::vector<Case> read_cases(const char* path) {
  std::ifstream file(path);
  std::vector<Case> cases;
  for (std::string line, kind; std::getline(file, line);) {
    std::istringstream words(line);
    words >> kind;
    if (kind == "case") {
      cases.emplace_back();
      std::getline(words >> std::ws, cases.back().name);
    } else if (kind == "settings") {
      cases.back().settings = read_record(words);
    } else if (kind == "operator") {
      cases.back().operators.push_back(read_record(words));
    } else if (kind == "numbers") {
      std::string name;
      words >> name;
      for (double value; words >> value;) cases.back().numbers[name].push_back(value);
    } else {
      throw std::runtime_error("a line of cases begins with " + kind);
    }
  }
  if (cases.empty()) throw std::runtime_error(std::string(path) + " has no cases");
  return cases;
}

template <typename T>
std::vector<T> to_vector(const Case& c, const char* name) {
  const auto found = c.numbers.find(name);
  if (found == c.numbers.end()) return {};
  return {found->second.begin(), found->second.end()};
}

// What of a record's fields is one number.
template <typename T>
T to_record(const Record& given) {
  T record{};
  each_field(&record, [&](const char* name, auto place) {
    using Value = std::decay_t<decltype(record.*place)>;
    if constexpr (std::is_arithmetic_v<Value> || std::is_enum_v<Value>)
      if (const auto found = given.find(name); found != given.end()) record.*place = static_cast<Value>(found->second);
  });
  return record;
}

Network to_network(const Case& c) {
  Network network = to_record<Network>(c.settings);
  for (const Record& record : c.operators) network.operators.push_back(to_record<Operator>(record));
  network.factor = to_vector<float>(c, "factor");
  network.offset = to_vector<float>(c, "offset");
  network.augment = to_record<Augment>(c.settings);
  return network;
}

// Everything that one case is run on; the same for any number of threads.
struct Data {
  std::vector<uint8_t> pixels;
  std::vector<float> values;
  std::vector<int32_t> labels;
  std::vector<int64_t> indices;
  std::vector<Draw> draws;
  std::vector<float> mix;
  std::vector<float> taught;

  Images images(bool drawn) const {
    return {pixels.empty() ? nullptr : pixels.data(), values.empty() ? nullptr : values.data(), labels.data(),
            drawn && !draws.empty() ? draws.data() : nullptr, drawn && !mix.empty() ? mix.data() : nullptr,
            drawn && !taught.empty() ? taught.data() : nullptr};
  }
  int64_t count() const { return int64_t(indices.size()); }
};

Data make_data(const Case& c) {
  Data data;
  uint32_t state = 1;
  const auto next = [&state] { return (state = state * 1664525u + 1013904223u) >> 16; };
  const int64_t count = int64_t(get(c.settings, "count")), pool = count + 3;
  const int64_t size = int64_t(get(c.settings, "height") * get(c.settings, "width") * get(c.settings, "channels"));
  const bool takes_values = get(c.settings, "takes_values") != 0;
  for (int64_t i = 0; i < pool * size; ++i)
    if (takes_values) data.values.push_back(float(next() & 255) / 255);
    else data.pixels.push_back(uint8_t(next() & 255));
  for (int64_t i = 0; i < pool; ++i) data.labels.push_back(int32_t(next() % uint32_t(get(c.settings, "classes"))));
  data.labels[0] = int32_t(get(c.settings, "classes")) - 1;
  for (int64_t i = 0; i < count; ++i) data.indices.push_back(pool - 1 - i);
  const auto places = to_vector<int32_t>(c, "draws");
  data.draws.resize(places.size() * sizeof(int32_t) / sizeof(Draw));
  if (!data.draws.empty()) std::memcpy(data.draws.data(), places.data(), places.size() * sizeof(int32_t));
  data.mix = to_vector<float>(c, "mix");
  data.taught = to_vector<float>(c, "taught");
  data.pixels.shrink_to_fit();  // so that the first byte behind is nobody's
  data.values.shrink_to_fit();
  data.labels.shrink_to_fit();
  data.indices.shrink_to_fit();
  return data;
}

template <typename T>
void repeat(std::vector<T>& items, int times) {
  const std::vector<T> once = items;
  items.reserve(once.size() * times);
  for (int i = 1; i < times; ++i) items.insert(items.end(), once.begin(), once.end());
}

uint64_t hash(const std::vector<float>& values, uint64_t state = 14695981039346656037u) {
  for (const float value : values) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    state = (state ^ bits) * 1099511628211u;
  }
  return state;
}

struct Found {
  uint64_t bits;
  int64_t allocated_by_few, allocated_by_many;
  int64_t steps;
  int64_t taken, said;  // bytes of an engine
};

// What an object takes of the allocator that `make` returns.
template <typename F>
int64_t bytes_of(F make) {
  const int64_t before = held.load();
  const auto made = make();
  return held.load() - before;
}

Found run_case(const Case& c, int threads) {
  const LossSettings loss{float(get(c.settings, "smoothing")), to_vector<float>(c, "class_weights"), float(get(c.settings, "share")),
                          float(get(c.settings, "temperature"))};
  const OptimizerSettings optimizer = to_record<OptimizerSettings>(c.settings);
  const Network network = to_network(c);
  Data data = make_data(c);
  const int64_t count = data.count();
  auto weights = to_vector<float>(c, "start");
  const size_t size = weights.size();
  std::vector<float> first(size), second(size), average(optimizer.average > 0 ? weights : std::vector<float>{});
  const Moments moments{first.data(), second.data(), optimizer.average > 0 ? average.data() : nullptr};
  bool trained = false;
  for (const Operator& op : network.operators) trained |= op.trained;

  Engine engine(network, loss, threads);
  constexpr int many = 5;
  const std::vector<double> rates(size_t(many * ((count + network.batch - 1) / network.batch) + many), 1e-3);
  int64_t steps = 0;
  Found found{};
  found.said = engine.memory();
  found.taken = bytes_of([&] { return std::make_unique<Engine>(network, loss, threads); }) - int64_t(sizeof(Engine)) -
                bytes_of([&] { return make_plan(network, choose_kernels()); });
  if (trained) {
    for (uint64_t epoch = 0; epoch < 2; ++epoch) {
      const EpochResult result = engine.train(data.images(true), data.indices.data(), count, rates.data(), weights.data(), moments, steps,
                                              optimizer, 5, epoch, [] { return false; });
      if (!result.finite) throw std::runtime_error(c.name + ": the loss is not finite");
      steps += result.steps;
    }
    std::vector<float> gradient(size);
    const int32_t batch = int32_t(std::min<int64_t>(count, network.batch));
    engine.gradients(data.images(true), data.indices.data(), batch, weights.data(), 5, 2, gradient.data());
    engine.step(gradient.data(), weights.data(), moments, ++steps, 1e-3, optimizer);
    found.bits = hash(average, hash(second, hash(first, hash(weights, hash(gradient)))));
  }
  std::vector<float> logits(size_t(count * engine.plan().outputs));
  engine.logits(data.images(false), data.indices.data(), count, weights.data(), logits.data(), nullptr);
  found.bits = hash(logits, found.bits ^ 1);

  // Threads have been started before, so their stacks are there; what a call allocates does not depend on its steps.
  logits.resize(size_t(many * count * engine.plan().outputs));
  const std::function<bool()> idle = [] { return false; };
  const auto allocated = [&](int64_t images) {
    const int64_t before = allocations.load();
    if (trained)
      found.steps = engine.train(data.images(true), data.indices.data(), images, rates.data(), weights.data(), moments, steps, optimizer, 5,
                                 3, idle).steps;
    engine.logits(data.images(false), data.indices.data(), images, weights.data(), logits.data(), idle);
    return allocations.load() - before;
  };
  repeat(data.indices, many);
  repeat(data.draws, many);
  repeat(data.mix, many);
  repeat(data.taught, many);
  found.allocated_by_few = allocated(std::min<int64_t>(count, network.batch));
  found.allocated_by_many = allocated(many * count);
  return found;
}

}  // namespace

int main(int argc, char** argv) try {
  const bool prints_bits = argc > 1 && std::strcmp(argv[1], "--bits") == 0;
  const int file = prints_bits ? 2 : 1, first = file + 1;
  if (argc <= first) throw std::runtime_error("usage: check [--bits] FILE THREADS...");
  int failures = 0, runs = 0;
  int64_t counted = 0, most_steps = 0;
  const std::vector<Case> cases = read_cases(argv[file]);
  for (const Case& c : cases) {
    uint64_t bits = 0;
    for (int i = first; i < argc; ++i) {
      const int threads = std::atoi(argv[i]);
      const Found found = run_case(c, threads);
      if (i > first && found.bits != bits) {
        std::printf("%s: other bits with %d threads\n", c.name.c_str(), threads);
        ++failures;
      }
      bits = found.bits;
      if (found.allocated_by_few != found.allocated_by_many) {
        std::printf("%s, %d threads: %lld allocations in one step, %lld in %lld\n", c.name.c_str(), threads,
                    (long long)found.allocated_by_few, (long long)found.allocated_by_many, (long long)found.steps);
        ++failures;
      }
      if (counts_bytes && found.taken != found.said) {
        std::printf("%s, %d threads: an engine takes %lld bytes and says %lld\n", c.name.c_str(), threads, (long long)found.taken,
                    (long long)found.said);
        ++failures;
      }
      counted += found.allocated_by_many;
      most_steps = std::max(most_steps, found.steps);
      ++runs;
    }
    if (prints_bits) std::printf("%016llx %s\n", (unsigned long long)bits, c.name.c_str());
  }
  std::printf("%s: %zu cases, %d runs, up to %lld steps in a call, %lld allocations by calls, %d failures\n", choose_kernels().name,
              cases.size(), runs, (long long)most_steps, (long long)counted, failures);
  return failures ? 1 : 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
