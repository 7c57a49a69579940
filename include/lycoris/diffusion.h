/* diffusion.h - liblycoris-diffusion as a whole
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYCORIS_DIFFUSION_H
#define LYCORIS_DIFFUSION_H

#include "lycoris/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Lends the library's kernels to the whole process, to liblycoris as well: oneDNN's are asked first where they are
 * faster than the own ones. Call it once, before anything is computed. */
LYC_API void lyc_diffusion_start(void);

#ifdef __cplusplus
}
#endif
#endif
