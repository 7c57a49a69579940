/* inspect_json.c - a file as `lycoris inspect --json` shows it to programs
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/inspect.h"

#include <string.h>

static void print_types(lyc_inspection *in)
{
    lyc_type_count counts[LYC_DTYPE_COUNT];
    lyc_inspect_count_types(counts, in->file);
    lyc_json_begin_array(&in->json, "dtypes");
    for (int type = LYC_DTYPE_COUNT - 1; type >= 0; type--) {
        if (counts[type].tensors > 0) {
            lyc_json_begin_object(&in->json, NULL);
            lyc_json_text(&in->json, "dtype", lyc_dtype_name((lyc_dtype)type));
            lyc_json_unsigned(&in->json, "tensors", counts[type].tensors);
            lyc_json_unsigned(&in->json, "elements", counts[type].elements);
            lyc_json_unsigned(&in->json, "bytes", counts[type].bytes);
            lyc_json_end(&in->json);
        }
    }
    lyc_json_end(&in->json);
}

static void print_metadata(lyc_inspection *in)
{
    lyc_json_begin_object(&in->json, "metadata");
    for (size_t i = 0; i < lyc_safetensors_metadata_count(in->file); i++) {
        const lyc_metadata_entry entry = lyc_safetensors_metadata_at(in->file, i);
        lyc_json_text_n(&in->json, entry.key, entry.key_length, entry.value, entry.value_length);
    }
    lyc_json_end(&in->json);
}

/* true, false; null when nothing is stored or it cannot be said. */
static void print_verdict(lyc_inspection *in, const char *name, const char *key, const char *computed)
{
    const lyc_hash_verdict verdict = lyc_inspect_compare_hash(in->file, key, computed);
    if (verdict == LYC_HASH_SAME || verdict == LYC_HASH_DIFFERENT) {
        lyc_json_bool(&in->json, name, verdict == LYC_HASH_SAME);
    } else {
        lyc_json_text(&in->json, name, NULL);
    }
}

static lyc_status print_hashes(lyc_inspection *in, lyc_error *err)
{
    lyc_file_hashes hashes;
    const lyc_status status = lyc_inspect_hashes(&hashes, in->path, in->file, &in->task, err);
    if (status != LYC_OK) {
        return status;
    }
    lyc_json_begin_object(&in->json, "hashes");
    lyc_json_text(&in->json, "sha256", hashes.sha256);
    lyc_json_text(&in->json, "legacy", hashes.legacy);
    lyc_json_text(&in->json, "sshs_model_hash", hashes.model);
    print_verdict(in, "sshs_model_hash_as_stored", "sshs_model_hash", hashes.model);
    lyc_json_text(&in->json, "sshs_legacy_hash", hashes.model_legacy);
    print_verdict(in, "sshs_legacy_hash_as_stored", "sshs_legacy_hash", hashes.model_legacy);
    lyc_json_end(&in->json);
    return LYC_OK;
}

/* The members that a tensor without statistics has too. */
static lyc_status visit(void *context, const lyc_tensor_view *tensor, const lyc_tensor_statistics *statistics,
                        lyc_error *err)
{
    (void)err;
    lyc_inspection *in = context;
    lyc_json *json = &in->json;
    lyc_json_begin_object(json, NULL);
    lyc_json_text(json, "name", tensor->name);
    lyc_json_text(json, "dtype", lyc_dtype_name(tensor->dtype));
    lyc_json_begin_array(json, "shape");
    for (int axis = 0; axis < tensor->shape.rank; axis++) {
        lyc_json_integer(json, NULL, tensor->shape.dims[axis]);
    }
    lyc_json_end(json);
    lyc_json_unsigned(json, "bytes", tensor->size_bytes);
    lyc_json_unsigned(json, "offset", tensor->file_offset);
    if (statistics != NULL) {
        lyc_json_number(json, "mean_abs", statistics->mean_abs);
        lyc_json_number(json, "max_abs", statistics->max_abs);
        lyc_json_number(json, "min", statistics->min);
        lyc_json_number(json, "max", statistics->max);
        lyc_json_unsigned(json, "nan", statistics->nan_count);
        lyc_json_unsigned(json, "infinite", statistics->infinity_count);
    }
    lyc_json_end(json);
    return LYC_OK;
}

static lyc_status print_tensors(lyc_inspection *in, lyc_error *err)
{
    lyc_status status = LYC_OK;
    lyc_json_begin_array(&in->json, "tensors");
    if (in->config->stats) {
        const lyc_inspect_visitor visitor = {.wanted = lyc_inspect_wants, .visit = visit, .context = in};
        status = lyc_inspect_statistics(in->file, &visitor, &in->task, err);
    } else {
        for (size_t i = 0; i < lyc_safetensors_count(in->file); i++) {
            const lyc_tensor_view tensor = lyc_safetensors_tensor(in->file, i);
            if (lyc_inspect_wants(in, &tensor)) {
                visit(in, &tensor, NULL, err);
            }
        }
    }
    lyc_json_end(&in->json);
    return status;
}

static void print_summary(lyc_inspection *in)
{
    const lyc_safetensors *file = in->file;
    const uint64_t header = lyc_safetensors_header_bytes(file);
    const uint64_t data = lyc_safetensors_data_bytes(file);
    const uint64_t trailing = lyc_safetensors_trailing_bytes(file);
    lyc_json_unsigned(&in->json, "bytes", 8 + header + data + trailing);
    lyc_json_unsigned(&in->json, "header_bytes", header);
    lyc_json_unsigned(&in->json, "data_bytes", data);
    lyc_json_unsigned(&in->json, "trailing_bytes", trailing);
    lyc_json_unsigned(&in->json, "tensor_count", lyc_safetensors_count(file));
    print_types(in);
    lyc_json_unsigned(&in->json, "metadata_count", lyc_safetensors_metadata_count(file));
}

static void print_error(lyc_json *json, const lyc_error *err)
{
    lyc_json_begin_object(json, "error");
    lyc_json_text(json, "kind", lyc_status_name(err->status));
    lyc_json_text(json, "message", err->message);
    lyc_json_end(json);
}

lyc_status lyc_inspect_print_json(lyc_inspection *in, lyc_error *err)
{
    lyc_network_file *adapter = NULL;
    lyc_json_begin_object(&in->json, NULL);
    lyc_json_text(&in->json, "path", in->path);
    print_summary(in);
    lyc_status status = lyc_inspect_open_adapter(&adapter, in, err);
    if (adapter != NULL) {
        lyc_inspect_print_adapter_json(in, adapter);
        lyc_network_file_close(adapter);
    }
    if (in->config->meta) {
        print_metadata(in);
    }
    if (status == LYC_OK && in->config->hash) {
        status = print_hashes(in, err);
    }
    if (status == LYC_OK && lyc_inspect_lists_tensors(in)) {
        status = print_tensors(in, err);
    }
    if (status != LYC_OK) {
        print_error(&in->json, err);
    }
    lyc_json_end(&in->json);
    return status;
}

lyc_status lyc_inspect_print_json_error(lyc_inspection *in, const lyc_error *err)
{
    lyc_json_begin_object(&in->json, NULL);
    lyc_json_text(&in->json, "path", in->path);
    print_error(&in->json, err);
    lyc_json_end(&in->json);
    return err->status;
}
