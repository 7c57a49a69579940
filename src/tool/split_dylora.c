/* split_dylora.c - the LoRAs of fewer ranks that a DyLoRA is
 *
 *     ΔW_k = (alpha / k) B[:,:k] A[:k]
 *
 * Names of files and metadata are those of sd-scripts' networks/extract_lora_from_dylora.py.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lycoris/split_dylora.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include <jansson.h>

#include "adapter/key_names.h"
#include "base/hashmap.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/path.h"
#include "lycoris/text.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tool/output_files.h"
#include "tool/tensor_set.h"

/* A layer of the file: its tensors that have ranks, and what forbids to cut them. */
typedef struct layer {
    lyc_span name;
    lyc_tensor_view up, down; /* name NULL: missing */
    const char *uncuttable;   /* a tensor that belongs to all ranks */
    int64_t rank;             /* 0: it is no LoRA */
} layer;

struct lyc_splitting {
    lyc_safetensors *file;
    const char *path; /* of the file */
    const lyc_split_options *options;
    lyc_hashmap layers; /* by name: layer */
    int64_t rank, unit;
    size_t cut;
    lyc_split_part *parts;
    size_t count;
    lyc_arena arena;
};

static lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the layers of a file that is split");
}

/* --- layers --------------------------------------------------------------------------------------------------------
 */

static layer *find_layer(lyc_splitting *s, lyc_span name)
{
    layer *l = lyc_hashmap_get(&s->layers, name);
    if (l == NULL) {
        l = lyc_arena_alloc(&s->arena, 1, sizeof *l);
        if (l == NULL || !lyc_hashmap_put(&s->layers, name, l)) {
            return NULL;
        }
        l->name = lyc_hashmap_find(&s->layers, name)->key;
    }
    return l;
}

static lyc_status read_tensor(lyc_splitting *s, const lyc_tensor_view *tensor, lyc_error *err)
{
    lyc_key key;
    lyc_key_parse(&key, tensor->name, NULL);
    if (key.suffix == NULL) {
        return LYC_OK;
    }
    if (key.scheme == LYC_KEY_PEFT) {
        return lyc_fail(
            err, LYC_E_UNSUPPORTED,
            "%s: scales are said beside its tensors; `lycoris convert --to kohya` writes a file that can be "
            "split",
            s->path);
    }
    layer *l = find_layer(s, key.layer);
    if (l == NULL) {
        return no_memory(err);
    }
    if (strcmp(key.suffix, "lora_up.weight") == 0) {
        l->up = *tensor;
    } else if (strcmp(key.suffix, "lora_down.weight") == 0) {
        l->down = *tensor;
    } else if (strcmp(key.suffix, "lora_mid.weight") == 0 || strcmp(key.suffix, "dora_scale") == 0) {
        l->uncuttable = tensor->name;
    }
    return LYC_OK;
}

static lyc_status check_layer(layer *l, const char *path, lyc_error *err)
{
    char name[LYC_BRIEF];
    if (l->up.name == NULL && l->down.name == NULL) {
        return LYC_OK;
    }
    lyc_text_brief(name, sizeof name, l->name);
    if (l->up.name == NULL || l->down.name == NULL) {
        return lyc_fail(err, LYC_E_FORMAT, "%s: '%s' has no %s", path, name,
                        l->up.name == NULL ? "lora_up.weight" : "lora_down.weight");
    }
    if (l->uncuttable != NULL) {
        return lyc_fail(err, LYC_E_UNSUPPORTED, "%s: '%s' is for all ranks together, which no DyLoRA has", path,
                        lyc_text_brief(name, sizeof name, lyc_span_of(l->uncuttable)));
    }
    if (l->up.shape.rank < 2 || l->down.shape.rank < 2 || l->up.shape.dims[1] != l->down.shape.dims[0] ||
        l->down.shape.dims[0] < 1 || lyc_dtype_bits(l->up.dtype) % 8 != 0 || lyc_dtype_bits(l->down.dtype) % 8 != 0) {
        char up[LYC_SHAPE_TEXT], down[LYC_SHAPE_TEXT];
        return lyc_fail(err, LYC_E_SHAPE, "%s: '%s' has lora_up.weight %s and lora_down.weight %s, expected one rank",
                        path, name, lyc_shape_text(up, sizeof up, &l->up.shape),
                        lyc_shape_text(down, sizeof down, &l->down.shape));
    }
    l->rank = l->down.shape.dims[0];
    return LYC_OK;
}

static lyc_status read_layers(lyc_splitting *s, lyc_error *err)
{
    for (size_t i = 0; i < lyc_safetensors_count(s->file); i++) {
        const lyc_tensor_view tensor = lyc_safetensors_tensor(s->file, i);
        LYC_TRY(read_tensor(s, &tensor, err));
    }
    for (size_t i = 0; i < s->layers.count; i++) {
        layer *l = s->layers.entries[i].value;
        LYC_TRY(check_layer(l, s->path, err));
        s->rank = l->rank > s->rank ? l->rank : s->rank;
    }
    return s->rank > 0 ? LYC_OK : lyc_fail(err, LYC_E_UNSUPPORTED, "%s: no layer is a LoRA", s->path);
}

/* --- which parts ---------------------------------------------------------------------------------------------------
 */

static int64_t number_of(const json_t *value)
{
    double n = (double)json_integer_value(value);
    if (json_is_string(value) && !lyc_number_parse(&n, lyc_span_of(json_string_value(value)))) {
        return 0;
    }
    return n >= 1.0 && n <= 65536.0 ? (int64_t)n : 0;
}

/* Ranks of a block in training: sd-scripts calls it unit, LyCORIS block_size. 0: the file does not say. */
static int64_t trained_unit(const lyc_safetensors *file)
{
    const char *text = lyc_safetensors_metadata(file, "ss_network_args");
    json_t *tree = text != NULL ? json_loads(text, 0, NULL) : NULL;
    const json_t *unit = json_object_get(tree, "unit");
    const int64_t found = number_of(unit != NULL ? unit : json_object_get(tree, "block_size"));
    json_decref(tree);
    return found;
}

static lyc_status choose_unit(lyc_splitting *s, lyc_error *err)
{
    s->unit = s->options->unit != 0 ? s->options->unit : trained_unit(s->file);
    if (s->options->unit == 0 && s->unit < 1) {
        return lyc_fail(err, LYC_E_ARGUMENT,
                        "%s does not say the ranks of a block (ss_network_args): they must be given", s->path);
    }
    return s->unit >= 1 && s->unit < s->rank
               ? LYC_OK
               : lyc_fail(err, LYC_E_ARGUMENT, "%s: parts of %" PRId64 " ranks, expected fewer than all %" PRId64,
                          s->path, s->unit, s->rank);
}

/* "a/out.safetensors": "a/out-0004.safetensors" ... */
static lyc_status name_parts(lyc_splitting *s, const char *path, lyc_error *err)
{
    const lyc_span name = lyc_path_name(path);
    size_t stem = name.length;
    for (size_t i = 1; i < name.length; i++) {
        stem = name.text[i] == '.' ? i : stem;
    }
    const int head = (int)((name.text - path) + (ptrdiff_t)stem);
    const size_t count = (size_t)((s->rank - 1) / s->unit);
    s->parts = lyc_arena_alloc(&s->arena, count, sizeof *s->parts);
    if (s->parts == NULL) {
        return no_memory(err);
    }
    for (; s->count < count; s->count++) {
        lyc_split_part *part = &s->parts[s->count];
        part->rank = s->unit * (int64_t)(s->count + 1);
        part->path = lyc_arena_format(&s->arena, "%.*s-%04" PRId64 "%s", head, path, part->rank, path + head);
        if (part->path == NULL) {
            return no_memory(err);
        }
    }
    for (size_t i = 0; i < s->layers.count; i++) {
        s->cut += ((const layer *)s->layers.entries[i].value)->rank > s->unit;
    }
    return LYC_OK;
}

/* --- a part --------------------------------------------------------------------------------------------------------
 */

/* alpha of fewer ranks. */
static lyc_status plan_alpha(lyc_tensor_set *set, const lyc_tensor_view *tensor, const layer *l, int64_t rank,
                             lyc_error *err)
{
    const bool is_float = lyc_dtype_is_float(tensor->dtype);
    if (!lyc_dtype_computable(tensor->dtype) || tensor->size_bytes != (size_t)lyc_dtype_bits(tensor->dtype) / 8) {
        return lyc_fail(err, LYC_E_SHAPE, "'%s' is %s, expected one number", tensor->name,
                        lyc_dtype_name(tensor->dtype));
    }
    const double alpha = lyc_dtype_load(tensor->dtype, tensor->data) * (double)rank / (double)l->rank;
    return lyc_tensor_set_add_number(set, tensor->name, alpha, &tensor->shape, is_float ? tensor->dtype : LYC_F32, err);
}

static lyc_status plan_tensor(lyc_tensor_set *set, const lyc_splitting *s, const lyc_tensor_view *tensor, int64_t rank,
                              lyc_error *err)
{
    lyc_key key;
    lyc_key_parse(&key, tensor->name, NULL);
    const layer *l = key.suffix != NULL ? lyc_hashmap_get(&s->layers, key.layer) : NULL;
    if (l == NULL || l->rank <= rank) {
        return lyc_tensor_set_add(set, tensor->name, tensor, tensor->dtype, err);
    }
    if (tensor->data == l->up.data) {
        return lyc_tensor_set_add_columns(set, tensor->name, tensor, rank, err);
    }
    if (tensor->data == l->down.data) {
        lyc_tensor_view first = *tensor;
        first.shape.dims[0] = rank;
        first.size_bytes = tensor->size_bytes / (size_t)l->rank * (size_t)rank;
        return lyc_tensor_set_add(set, tensor->name, &first, tensor->dtype, err);
    }
    return s->options->keep_scale && strcmp(key.suffix, "alpha") == 0
               ? plan_alpha(set, tensor, l, rank, err)
               : lyc_tensor_set_add(set, tensor->name, tensor, tensor->dtype, err);
}

static lyc_status plan_metadata(lyc_tensor_set *set, const lyc_splitting *s, int64_t rank, lyc_error *err)
{
    double alpha;
    const char *old = lyc_safetensors_metadata(s->file, "ss_training_comment");
    const char *old_alpha = lyc_safetensors_metadata(s->file, "ss_network_alpha");
    const char *comment = lyc_arena_format(&set->arena, "split from DyLoRA, rank %" PRId64 " to %" PRId64 "; %s",
                                           s->rank, rank, old != NULL ? old : "");
    const char *dim = lyc_arena_format(&set->arena, "%" PRId64, rank);
    if (comment == NULL || dim == NULL) {
        return no_memory(err);
    }
    LYC_TRY(lyc_tensor_set_copy_metadata(set, s->file, NULL, err));
    LYC_TRY(lyc_safetensors_plan_metadata(set->plan, "ss_training_comment", comment, err));
    LYC_TRY(lyc_safetensors_plan_metadata(set->plan, "ss_network_dim", dim, err));
    if (!s->options->keep_scale || old_alpha == NULL || !lyc_number_parse(&alpha, lyc_span_of(old_alpha))) {
        return LYC_OK;
    }
    char text[LYC_NUMBER];
    lyc_number_format(text, alpha * (double)rank / (double)s->rank);
    return lyc_safetensors_plan_metadata(set->plan, "ss_network_alpha", text, err);
}

static lyc_status write_part(const char *path, const lyc_splitting *s, int64_t rank, const lyc_task *task,
                             lyc_error *err)
{
    lyc_tensor_set set = {0};
    const lyc_safetensors *input = s->file;
    const lyc_safetensors_writer_options options = {.inputs = &input, .input_count = 1};
    lyc_status status = lyc_tensor_set_start(&set, true, err); /* bytes are copied, whatever they mean */
    for (size_t i = 0; i < lyc_safetensors_count(s->file) && status == LYC_OK; i++) {
        const lyc_tensor_view tensor = lyc_safetensors_tensor(s->file, i);
        status = plan_tensor(&set, s, &tensor, rank, err);
    }
    status = status == LYC_OK ? plan_metadata(&set, s, rank, err) : status;
    status = status == LYC_OK ? lyc_tensor_set_write(path, &set, &options, task, err) : status;
    lyc_tensor_set_clear(&set);
    return status;
}

/* --- all of them ---------------------------------------------------------------------------------------------------
 */

static lyc_status write_parts(const lyc_splitting *s, lyc_output_files *files, const lyc_task *task, lyc_error *err)
{
    for (size_t i = 0; i < s->count; i++) {
        const char *path;
        LYC_TRY(lyc_output_files_add(&path, files, lyc_path_name(s->parts[i].path).text, err));
        LYC_TRY(write_part(path, s, s->parts[i].rank, task, err));
    }
    return lyc_output_files_commit(files, err);
}

static lyc_status split(lyc_splitting *s, const char *path, const lyc_task *task, lyc_error *err)
{
    lyc_output_files files;
    LYC_TRY(lyc_safetensors_open(&s->file, s->path, NULL, err));
    LYC_TRY(read_layers(s, err));
    LYC_TRY(choose_unit(s, err));
    LYC_TRY(name_parts(s, path, err));
    if (s->options->dry_run) {
        return LYC_OK;
    }
    const lyc_span folder = lyc_path_folder(path);
    const char *folder_text = lyc_arena_text_n(&s->arena, folder.text, folder.length);
    if (folder_text == NULL) {
        return no_memory(err);
    }
    const lyc_tool_output_options options = {.force = s->options->force, .inputs = &s->path, .input_count = 1};
    lyc_status status = lyc_output_files_start(&files, folder_text, &options, err);
    status = status == LYC_OK ? write_parts(s, &files, task, err) : status;
    lyc_output_files_clear(&files);
    return status;
}

lyc_status lyc_split_dylora(lyc_splitting **out, const char *path, const char *input, const lyc_split_options *options,
                            const lyc_task *task, lyc_error *err)
{
    lyc_splitting *s = lyc_alloc_zero(1, sizeof *s);
    *out = NULL;
    if (s == NULL) {
        return no_memory(err);
    }
    s->options = options;
    s->path = lyc_arena_text(&s->arena, input);
    const lyc_status status = s->path == NULL ? no_memory(err) : split(s, path, task, err);
    if (status != LYC_OK) {
        lyc_splitting_free(s);
        return status;
    }
    *out = s;
    return LYC_OK;
}

void lyc_splitting_free(lyc_splitting *s)
{
    if (s == NULL) {
        return;
    }
    lyc_safetensors_close(s->file);
    lyc_hashmap_clear(&s->layers);
    lyc_arena_clear(&s->arena);
    lyc_free(s);
}

int64_t lyc_splitting_rank(const lyc_splitting *s)
{
    return s->rank;
}

size_t lyc_splitting_layers(const lyc_splitting *s)
{
    return s->cut;
}

size_t lyc_splitting_count(const lyc_splitting *s)
{
    return s->count;
}

lyc_split_part lyc_splitting_part(const lyc_splitting *s, size_t index)
{
    assert(index < s->count);
    return s->parts[index];
}
