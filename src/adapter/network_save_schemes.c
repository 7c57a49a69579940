/* network_save_schemes.c - the forms that diffusers and PEFT have of adapters
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapter/network_save_internal.h"
#include "tensor/shape.h"

/* --- forms ---------------------------------------------------------------------------------------------------------
 */

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the tensors of an adapter file");
}

static int find(const lyc_adapter_file *written, const char *name)
{
    for (int i = 0; i < written->count; i++) {
        if (strcmp(written->tensors[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

static void drop(lyc_adapter_file *written, const char *name)
{
    const int at = find(written, name);
    if (at >= 0) {
        memmove(&written->tensors[at], &written->tensors[at + 1],
                (size_t)(written->count - at - 1) * sizeof written->tensors[0]);
        written->count--;
    }
}

/* lora_up times alpha / rank. */
static lyc_status fold_scale(lyc_adapter_file *written, double scale, lyc_error *err)
{
    lyc_tensor_view *up = &written->tensors[find(written, "lora_up.weight")];
    const size_t n = (size_t)lyc_shape_elements(&up->shape);
    float *scaled = lyc_arena_alloc(&written->arena, n, sizeof *scaled);
    if (scaled == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < n; i++) {
        scaled[i] = (float)((double)((const float *)up->data)[i] * scale);
    }
    up->data = scaled;
    return LYC_OK;
}

/* PEFT keeps norms of DoRA as [out], for convolutions as [1,out,1,1]. */
static lyc_status flatten_magnitude(lyc_adapter_file *written, const lyc_adapter *a, const char *module, lyc_error *err)
{
    const int at = find(written, "dora_scale");
    if (at < 0) {
        return LYC_OK;
    }
    lyc_tensor_view *magnitude = &written->tensors[at];
    const int64_t out = a->out;
    if (magnitude->shape.dims[0] != out || lyc_shape_elements(&magnitude->shape) != out) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "%s: DoRA over the inputs has no form in diffusers and PEFT", module);
    }
    magnitude->shape = a->target.kind == LYC_LAYER_LINEAR ? LYC_SHAPE(out) : LYC_SHAPE(1, out, 1, 1);
    return LYC_OK;
}

lyc_status lyc_network_save_adjust(lyc_adapter_file *written, const lyc_adapter *a, const char *module,
                                   lyc_key_scheme scheme, lyc_error *err)
{
    const char *algorithm = a->algorithm->name;
    if (scheme != LYC_KEY_DIFFUSERS && scheme != LYC_KEY_BARE && scheme != LYC_KEY_PEFT) {
        return LYC_OK;
    }
    const bool lora = find(written, "lora_up.weight") >= 0;
    const bool peft = scheme == LYC_KEY_PEFT && (strcmp(algorithm, "loha") == 0 || strcmp(algorithm, "lokr") == 0);
    if ((!lora && !peft) || find(written, "lora_mid.weight") >= 0) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "%s: %s%s has no form in the files of %s", module, algorithm,
                        lora ? " with Tucker decomposition" : "", lyc_key_scheme_name(scheme));
    }
    LYC_TRY(flatten_magnitude(written, a, module, err));
    if (scheme != LYC_KEY_PEFT && a->scale != 1) {
        LYC_TRY(fold_scale(written, a->scale, err));
    }
    drop(written, "alpha");
    return LYC_OK;
}
