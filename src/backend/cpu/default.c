/* default.c - the registered backend
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/default.h"

#include <assert.h>
#include <stdatomic.h>

#include "backend/cpu/cpu.h"
#include "lycoris/backend.h"

static const lyc_backend *_Atomic registered;

const lyc_backend *lyc_backend_default(void)
{
    const lyc_backend *backend = atomic_load(&registered);
    return backend != NULL ? backend : lyc_backend_cpu();
}

void lyc_backend_register(const lyc_backend *backend)
{
    atomic_store(&registered, backend);
}

void lyc_backend_describe(lyc_backend_info *out)
{
    const lyc_backend *backend = lyc_backend_default();
    *out = (lyc_backend_info){.name = backend->name};
    for (int i = 0; backend->sets[i] != NULL; i++) {
        assert(i + 1 < LYC_KERNEL_SETS_MAX);
        out->kernels[i] = backend->sets[i]->name;
    }
}
