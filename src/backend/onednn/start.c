/* start.c - oneDNN's kernels for the whole process
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/default.h"
#include "backend/onednn/kernels.h"
#include "lycoris/diffusion.h"

void lyc_diffusion_start(void)
{
    lyc_backend_register(lyc_backend_onednn());
}
