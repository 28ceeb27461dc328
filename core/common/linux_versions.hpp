// Included before everything else on Linux (see CMakeLists.txt): what is built on a new Linux also runs on an older one.
//
// The C library has had a second exp, log and pow since 2.29, which set no error number the former way; the values are
// the same. Asking for the first ones keeps the modules loadable from 2.28 on.
#pragma once

#if defined(__gnu_linux__)
#if defined(__x86_64__)
#define MADELUNG_FIRST_VERSION "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define MADELUNG_FIRST_VERSION "GLIBC_2.17"
#endif
#endif

#ifdef MADELUNG_FIRST_VERSION
__asm__(".symver exp, exp@" MADELUNG_FIRST_VERSION);
__asm__(".symver log, log@" MADELUNG_FIRST_VERSION);
__asm__(".symver pow, pow@" MADELUNG_FIRST_VERSION);
#endif
