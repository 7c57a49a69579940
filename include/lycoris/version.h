/* version.h - which release of the library this is
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_VERSION_H
#define LYCORIS_VERSION_H

#include "lycoris/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of the headers that a program is compiled with. CMake and the pkg-config file take it from here. */
#define LYCORIS_VERSION "0.1.0"

/* Of the library that the program runs with. */
LYC_API const char *lyc_version(void);

#ifdef __cplusplus
}
#endif
#endif
