// What headers of GCC 11 and newer expect of the C++ library and older ones lack, made of what all have. With these
// functions inside, the modules load with the library of GCC 8 (manylinux_2_28).
#include <exception>
#include <new>

#if defined(__GLIBCXX__)

// The library's own copy constructor and destructor. Their version is asked for, since headers define others in line,
// which call the functions below.
extern "C" void madelung_library_copy(void* to, const void* from) noexcept;
extern "C" void madelung_library_destroy(void* pointer) noexcept;
__asm__(".symver madelung_library_copy, _ZNSt15__exception_ptr13exception_ptrC1ERKS0_@CXXABI_1.3.3");
__asm__(".symver madelung_library_destroy, _ZNSt15__exception_ptr13exception_ptrD1Ev@CXXABI_1.3.3");

// Seen by this module alone: the library itself must go on with its own.
__asm__(".hidden _ZSt28__throw_bad_array_new_lengthv");
__asm__(".hidden _ZNSt15__exception_ptr13exception_ptr9_M_addrefEv");
__asm__(".hidden _ZNSt15__exception_ptr13exception_ptr10_M_releaseEv");

namespace std {

void __throw_bad_array_new_length() { throw bad_array_new_length(); }

// One holder more: that of a copy, which is never destroyed.
void __exception_ptr::exception_ptr::_M_addref() noexcept {
  alignas(exception_ptr) unsigned char copy[sizeof(exception_ptr)];
  madelung_library_copy(copy, this);
}

void __exception_ptr::exception_ptr::_M_release() noexcept {
  if (_M_exception_object != nullptr) {
    madelung_library_destroy(this);
    _M_exception_object = nullptr;
  }
}

}  // namespace std

#endif
