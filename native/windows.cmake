# Builds for Windows with MinGW, on another system: cmake -DCMAKE_TOOLCHAIN_FILE=native/windows.cmake -DISSUN_CHECK=ON …
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
# Debian's name for the variant whose std::thread works.
set(CMAKE_CXX_COMPILER x86_64-w64-mingw32-g++-posix)
# One file that needs no libraries of the compiler beside it.
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
