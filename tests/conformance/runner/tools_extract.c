/* tools_extract.c - adapters from the difference of two models
 *
 *     "base", "tuned", "mode", "linear_parameter", "conv_parameter", "layers", and in "options":
 *     "small_conv" (cores, unless it says false), "use_bias", "sparsity" (a sparse remainder)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kind.h"
#include "lycoris/extract.h"
#include "tools_layers.h"

static lyc_extract_options options_of(const lyc_case *c)
{
    const json_t *options = json_object_get(c->json, "options");
    const double linear = json_number_value(json_object_get(c->json, "linear_parameter"));
    const double conv = json_number_value(json_object_get(c->json, "conv_parameter"));
    return (lyc_extract_options){
        .mode = lyc_case_text(c, "mode"),
        .rank = (int64_t)linear,
        .conv_rank = (int64_t)conv,
        .value = linear,
        .conv_value = conv,
        .tucker = !json_is_false(json_object_get(options, "small_conv")),
        .sparse = json_is_true(json_object_get(options, "use_bias")),
        .sparsity = json_number_value(json_object_get(options, "sparsity")),
        .dtype = LYC_F16,
        .force = true,
    };
}

static lyc_status run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    char base[1024], tuned[1024], out[256];
    lyc_extraction *extraction = NULL;
    const lyc_extract_options options = options_of(c);
    if (lyc_case_text(c, "base") == NULL || lyc_case_text(c, "tuned") == NULL) {
        return lyc_fail(err, LYC_E_FORMAT, "the case does not say its models");
    }
    LYC_TRY(lyc_case_path(base, sizeof base, c, lyc_case_text(c, "base"), err));
    LYC_TRY(lyc_case_path(tuned, sizeof tuned, c, lyc_case_text(c, "tuned"), err));
    lyc_tools_scratch(out);
    LYC_TRY(lyc_extract(&extraction, out, base, tuned, &options, NULL, err));
    const lyc_status status = lyc_tools_compare_layers(result, c, out, err);
    lyc_extraction_free(extraction);
    unlink(out);
    return status;
}

const lyc_kind lyc_kind_tools_extract = {.name = "tools_extract", .folder = "tools", .prefix = "extract_", .run = run};
