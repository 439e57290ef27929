# Compiles with zig's Clang for Linux on ISSUN_ARCHITECTURE, whichever machine this is, against the symbols of the glibc in ISSUN_TARGET.
#
# The processor is zig's baseline of the architecture, the oldest that it has: SSE2 on x86-64, NEON on arm64. Nothing is asked of the
# machine that builds. wheels/make_wheels.py sets the variables; CMake reads this file again for each of its trial compilations.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR $ENV{ISSUN_ARCHITECTURE})
set(CMAKE_CXX_COMPILER $ENV{ISSUN_ZIG} c++ -target $ENV{ISSUN_TARGET})

# The ar of the machine that builds lists no symbols of another architecture; zig's does, but it is a command of zig.
set(CMAKE_AR $ENV{ISSUN_ZIG})
set(CMAKE_RANLIB $ENV{ISSUN_ZIG})
set(CMAKE_CXX_ARCHIVE_CREATE "<CMAKE_AR> ar qc <TARGET> <LINK_FLAGS> <OBJECTS>")
set(CMAKE_CXX_ARCHIVE_APPEND "<CMAKE_AR> ar q <TARGET> <LINK_FLAGS> <OBJECTS>")
set(CMAKE_CXX_ARCHIVE_FINISH "<CMAKE_RANLIB> ranlib <TARGET>")
