/* output.c - what all tools ask of the file that they are going to write
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tool/output.h"

#include <string.h>

#include "base/file_writer.h"
#include "base/memory.h"
#include "base/path.h"

lyc_status lyc_tool_output_check(const lyc_tool_output_options *o, uint64_t bytes, lyc_error *err)
{
    lyc_file_id *ids = lyc_alloc_zero(o->input_count + 1, sizeof *ids);
    if (ids == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for the list of inputs");
    }
    size_t count = 0;
    for (size_t i = 0; i < o->input_count; i++) {
        count += lyc_file_id_of(&ids[count], o->inputs[i], NULL) == LYC_OK;
    }
    const lyc_file_writer_options options = {
        .force = o->force, .size_bytes = bytes, .inputs = ids, .input_count = count};
    const lyc_status status = lyc_file_writer_check(o->path, &options, err);
    lyc_free(ids);
    return status;
}

lyc_span lyc_tool_stem(const char *path)
{
    lyc_span name = lyc_path_name(path);
    name.length -= lyc_span_ends_with(name, ".safetensors") ? strlen(".safetensors") : 0;
    return name;
}

lyc_status lyc_tool_dtype(lyc_dtype *out, bool *keep, const char *name, lyc_error *err)
{
    static const struct {
        const char *name;
        lyc_dtype dtype;
    } names[] = {
        {"float", LYC_F32}, {"fp32", LYC_F32},  {"float32", LYC_F32},   {"fp16", LYC_F16},    {"float16", LYC_F16},
        {"half", LYC_F16},  {"bf16", LYC_BF16}, {"bfloat16", LYC_BF16}, {"float64", LYC_F64}, {"fp64", LYC_F64},
    };
    *keep = strcmp(name, "keep") == 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !*keep; i++) {
        if (strcmp(names[i].name, name) == 0) {
            *out = names[i].dtype;
            return LYC_OK;
        }
    }
    return *keep ? LYC_OK
                 : lyc_fail(err, LYC_E_ARGUMENT,
                            "'%s' is no number type; there are keep, float, fp32, float32, fp16, float16, half, bf16, "
                            "bfloat16, float64, fp64",
                            name);
}
