/* tools_resize.c - resized adapter files
 *
 *     "input": "<file> (...)", "new_rank", "new_conv_rank", "dynamic_method", "dynamic_parameter", "layers"
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kind.h"
#include "lycoris/resize.h"
#include "tools_layers.h"

static lyc_status run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    char path[1024], name[256] = "", out[256];
    lyc_network_file *file = NULL;
    lyc_resizing *resizing = NULL;
    const char *input = lyc_case_text(c, "input");
    const lyc_resize_options options = {
        .rank = json_integer_value(json_object_get(c->json, "new_rank")),
        .conv_rank = json_integer_value(json_object_get(c->json, "new_conv_rank")),
        .method = lyc_case_text(c, "dynamic_method"),
        .parameter = json_number_value(json_object_get(c->json, "dynamic_parameter")),
        .dtype = LYC_F32,
        .force = true,
    };
    if (input == NULL) {
        return lyc_fail(err, LYC_E_FORMAT, "the case has no input");
    }
    snprintf(name, sizeof name, "%.*s", (int)strcspn(input, " "), input);
    LYC_TRY(lyc_case_path(path, sizeof path, c, name, err));
    LYC_TRY(lyc_network_file_open(&file, path, NULL, err));
    lyc_tools_scratch(out);
    lyc_status status = lyc_resize(&resizing, out, file, &options, NULL, err);
    status = status != LYC_OK ? status : lyc_tools_compare_layers(result, c, out, err);
    lyc_resizing_free(resizing);
    lyc_network_file_close(file);
    unlink(out);
    return status;
}

const lyc_kind lyc_kind_tools_resize = {.name = "tools_resize", .folder = "tools", .prefix = "resize_", .run = run};
