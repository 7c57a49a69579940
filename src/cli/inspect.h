/* inspect.h - the two forms in which `lycoris inspect` shows a file
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CLI_INSPECT_H
#define LYC_CLI_INSPECT_H

#include "cli/cli.h"
#include "cli/json.h"
#include "lycoris/adapter.h"
#include "lycoris/inspect.h"
#include "lycoris/option.h"

typedef struct lyc_inspect_config {
    bool keys;
    bool stats;
    bool meta;
    bool hash;
    bool all;
    bool lenient;
    bool layers;
    lyc_option_list patterns;
} lyc_inspect_config;

/* A file that is being shown. */
typedef struct lyc_inspection {
    lyc_cli *cli;
    const lyc_inspect_config *config;
    lyc_task task;
    lyc_json json; /* inside the array of files */
    const char *path;
    const lyc_safetensors *file;
    bool printed; /* a file was shown before */
} lyc_inspection;

/* Print the file of the inspection. */
lyc_status lyc_inspect_print_text(lyc_inspection *in, lyc_error *err);
lyc_status lyc_inspect_print_json(lyc_inspection *in, lyc_error *err);

/* A file that could not be opened, in the array of files. Returns the status of *err. */
lyc_status lyc_inspect_print_json_error(lyc_inspection *in, const lyc_error *err);

/* Whether the file's tensors are to be listed, and whether this one is. context is the lyc_inspection. */
bool lyc_inspect_lists_tensors(const lyc_inspection *in);
bool lyc_inspect_wants(void *context, const lyc_tensor_view *tensor);

/* The adapters of a file: *out is NULL when it has none, and when those that it has make no sense, which is warned of.
 */
lyc_status lyc_inspect_open_adapter(lyc_network_file **out, const lyc_inspection *in, lyc_error *err);
void lyc_inspect_print_adapter(const lyc_inspection *in, const lyc_network_file *adapter);
void lyc_inspect_print_adapter_json(lyc_inspection *in, const lyc_network_file *adapter);

/* What a file has of each number type. */
typedef struct lyc_type_count {
    uint64_t tensors;
    uint64_t elements;
    uint64_t bytes;
} lyc_type_count;
void lyc_inspect_count_types(lyc_type_count counts[LYC_DTYPE_COUNT], const lyc_safetensors *file);

/* A hash that the metadata says the file has, against the computed one. */
typedef enum lyc_hash_verdict {
    LYC_HASH_NOT_STORED,
    LYC_HASH_SAME,
    LYC_HASH_DIFFERENT,
    LYC_HASH_UNKNOWN /* LyCORIS hashes in an order of tensors that the file does not keep */
} lyc_hash_verdict;
lyc_hash_verdict lyc_inspect_compare_hash(const lyc_safetensors *file, const char *key, const char *computed);

#endif
