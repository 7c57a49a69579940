/* indices.c - the check of ids and rows
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cpu/reference/indices.h"

lyc_status lyc_ref_check_indices(const lyc_call *call, int input, int64_t bound)
{
    const int64_t count = lyc_ref_count(call, input);
    for (int64_t i = 0; i < count; i++) {
        int64_t id = lyc_ref_index(call, input, i);
        if (id < 0 || id >= bound) {
            char name[64];
            return lyc_fail(call->err, LYC_E_ARGUMENT, "%s has %lld at index %lld, expected 0 to %lld",
                            lyc_op_input_name(name, sizeof name, call->problem->op, input), (long long)id, (long long)i,
                            (long long)bound - 1);
        }
    }
    return LYC_OK;
}
