/* default.h - the backend that computes where nobody asks for a particular one
 *
 * It is the CPU backend until a library below registers one that it knows to be better.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BACKEND_CPU_DEFAULT_H
#define LYC_BACKEND_CPU_DEFAULT_H

#include "graph/backend.h"

const lyc_backend *lyc_backend_default(void);

/* The backend is kept for the rest of the process. Plans that were compiled earlier stay as they are. */
void lyc_backend_register(const lyc_backend *backend);

#endif
