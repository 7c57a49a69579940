/* cmd_verify.c - lycoris verify: which programs load an adapter file
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>
#include <string.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/text.h"
#include "lycoris/text.h"
#include "lycoris/verify.h"

typedef struct verify_config {
    const char *consumers;
    const char *component;
    bool layers;
} verify_config;

/* clang-format off */
static const lyc_option options[] = {
    {.name = "for", .kind = LYC_OPTION_TEXT, .offset = offsetof(verify_config, consumers), .metavar = "LIST",
     .help = "programs, with commas between them: comfyui, a1111, diffusers, peft, sdcpp, lycoris; all unless given. With it the exit status is 3 unless they all load the files as they are meant"},
    {.name = "layers", .letter = 'l', .kind = LYC_OPTION_BOOL, .offset = offsetof(verify_config, layers),
     .help = "a line for each layer that is not loaded as it is meant"},
    {.name = "component", .kind = LYC_OPTION_TEXT, .offset = offsetof(verify_config, component), .metavar = "NAME",
     .help = "what the layers are of where their names do not say it: unet, text_encoder, text_encoder_2"},
    {0},
};
/* clang-format on */

enum { MAX_CONSUMERS = 16, NAME_TEXT = 256 };

typedef struct verify_run {
    lyc_cli *cli;
    const verify_config *config;
    lyc_json json;
    size_t consumers[MAX_CONSUMERS];
    size_t count;
    bool all_load;
} verify_run;

/* A name from a file. */
static const char *shown(char out[NAME_TEXT], const char *name)
{
    lyc_text_printable(out, NAME_TEXT, name, strlen(name));
    return out;
}

/* --- which programs ------------------------------------------------------------------------------------------------
 */

static lyc_status add_consumer(verify_run *r, const char *name, lyc_error *err)
{
    size_t index;
    if (lyc_consumer_find(&index, name)) {
        if (r->count < MAX_CONSUMERS) {
            r->consumers[r->count++] = index;
        }
        return LYC_OK;
    }
    lyc_line known = {0};
    for (size_t i = 0; i < lyc_consumer_count(); i++) {
        lyc_line_add(&known, "%s%s", i > 0 ? ", " : "", lyc_consumer_at(i).name);
    }
    return lyc_cli_fail(err, LYC_E_ARGUMENT, "--for: '%s' is no program that is known here; there are %s", name,
                        known.text);
}

static lyc_status choose_consumers(verify_run *r, lyc_error *err)
{
    const char *list = r->config->consumers;
    for (size_t i = 0; list == NULL && i < lyc_consumer_count(); i++) {
        r->consumers[r->count++] = i;
    }
    while (list != NULL && *list != '\0') {
        char name[64];
        const size_t length = strcspn(list, ",");
        snprintf(name, sizeof name, "%.*s", (int)length, list);
        LYC_TRY(add_consumer(r, name, err));
        list += length + (list[length] == ',');
    }
    return r->count > 0 ? LYC_OK : lyc_cli_fail(err, LYC_E_ARGUMENT, "--for: no program is named");
}

/* --- results -------------------------------------------------------------------------------------------------------
 */

static const lyc_style styles[] = {[LYC_VERDICT_LOADS] = LYC_STYLE_GREEN,
                                   [LYC_VERDICT_LIMITED] = LYC_STYLE_YELLOW,
                                   [LYC_VERDICT_DIFFERS] = LYC_STYLE_RED,
                                   [LYC_VERDICT_DROPPED] = LYC_STYLE_RED};

/* What a file's verdict is called: a file of which a part is dropped is not dropped. */
static const char *word_of(const lyc_verify_summary *s, size_t layers)
{
    if (s->refused) {
        return "refused";
    }
    return s->verdict == LYC_VERDICT_DROPPED && s->layers[LYC_VERDICT_DROPPED] < layers ? "loads in part"
                                                                                        : lyc_verdict_name(s->verdict);
}

static const char *verb_of(lyc_verdict verdict, size_t layers)
{
    if (verdict == LYC_VERDICT_DIFFERS && layers != 1) {
        return "differ";
    }
    return verdict == LYC_VERDICT_DROPPED && layers == 1 ? "is dropped" : lyc_verdict_name(verdict);
}

static void print_findings(const verify_run *r, const lyc_verification *v)
{
    FILE *out = r->cli->out;
    for (size_t i = 0; i < lyc_verification_finding_count(v); i++) {
        const lyc_verify_finding f = lyc_verification_finding(v, i);
        lyc_line line = {0};
        char name[NAME_TEXT];
        lyc_line_add(&line, "%zu layer%s %s: %s (%s%s)", f.layers, f.layers == 1 ? "" : "s",
                     verb_of(f.verdict, f.layers), f.reason, f.layers > 1 ? "first " : "", shown(name, f.example));
        fputs("      ", out);
        lyc_text_wrap(out, line.text, 6, 8, r->cli->out_width);
    }
}

static void print_layers(const verify_run *r, const lyc_verification *v, const lyc_network_file *file)
{
    for (size_t i = 0; r->config->layers && i < lyc_network_file_count(file); i++) {
        const char *reason;
        char name[NAME_TEXT];
        const lyc_verdict verdict = lyc_verification_layer(&reason, v, i);
        if (verdict != LYC_VERDICT_LOADS) {
            fprintf(r->cli->out, "      %s  %s: %s\n", shown(name, lyc_network_file_layer(file, i).name),
                    lyc_verdict_name(verdict), reason);
        }
    }
}

static void print_text(const verify_run *r, const lyc_verification *v, const lyc_network_file *file,
                       const lyc_consumer_info *info)
{
    FILE *out = r->cli->out;
    char title[80];
    const lyc_verify_summary s = lyc_verification_summary(v);
    snprintf(title, sizeof title, "%s %s", info->title, info->version);
    fprintf(out, "  %-28s %s%s%s\n", title, lyc_style_begin(r->cli->out_colour, styles[s.verdict]),
            word_of(&s, lyc_network_file_count(file)), lyc_style_end(r->cli->out_colour));
    if (s.refused && s.layers[LYC_VERDICT_DROPPED] == 0) {
        fprintf(out, "      %zu tensor%s belong%s to no layer that is known\n", s.unmatched,
                s.unmatched == 1 ? "" : "s", s.unmatched == 1 ? "s" : "");
    }
    print_findings(r, v);
    print_layers(r, v, file);
}

static void print_json(verify_run *r, const lyc_verification *v, const lyc_network_file *file,
                       const lyc_consumer_info *info)
{
    lyc_json *json = &r->json;
    const lyc_verify_summary s = lyc_verification_summary(v);
    lyc_json_begin_object(json, info->name);
    lyc_json_text(json, "version", info->version);
    lyc_json_text(json, "verdict", word_of(&s, lyc_network_file_count(file)));
    for (int i = LYC_VERDICT_LOADS; i <= LYC_VERDICT_DROPPED; i++) {
        lyc_json_integer(json, lyc_verdict_name((lyc_verdict)i), (int64_t)s.layers[i]);
    }
    lyc_json_begin_array(json, "findings");
    for (size_t i = 0; i < lyc_verification_finding_count(v); i++) {
        const lyc_verify_finding f = lyc_verification_finding(v, i);
        lyc_json_begin_object(json, NULL);
        lyc_json_text(json, "verdict", lyc_verdict_name(f.verdict));
        lyc_json_text(json, "reason", f.reason);
        lyc_json_integer(json, "layers", (int64_t)f.layers);
        lyc_json_text(json, "example", f.example);
        lyc_json_end(json);
    }
    lyc_json_end(json);
    lyc_json_end(json);
}

/* --- files ---------------------------------------------------------------------------------------------------------
 */

static lyc_status verify_for(verify_run *r, const lyc_network_file *file, size_t consumer, lyc_error *err)
{
    lyc_verification *v = NULL;
    const lyc_consumer_info info = lyc_consumer_at(consumer);
    LYC_TRY(lyc_verify(&v, file, consumer, err));
    r->all_load = r->all_load && lyc_verification_summary(v).verdict <= LYC_VERDICT_LIMITED;
    if (r->cli->json) {
        print_json(r, v, file, &info);
    } else {
        print_text(r, v, file, &info);
    }
    lyc_verification_free(v);
    return LYC_OK;
}

static void begin_file(verify_run *r, const char *path, const lyc_network_file *file)
{
    char name[NAME_TEXT];
    const size_t unmatched = lyc_network_file_unmatched_count(file);
    if (r->cli->json) {
        lyc_json_begin_object(&r->json, NULL);
        lyc_json_text(&r->json, "file", path);
        lyc_json_integer(&r->json, "layers", (int64_t)lyc_network_file_count(file));
        lyc_json_integer(&r->json, "unmatched", (int64_t)unmatched);
        lyc_json_begin_object(&r->json, "consumers");
        return;
    }
    fprintf(r->cli->out, "%s%s%s: %zu layer%s", lyc_style_begin(r->cli->out_colour, LYC_STYLE_BOLD), shown(name, path),
            lyc_style_end(r->cli->out_colour), lyc_network_file_count(file),
            lyc_network_file_count(file) == 1 ? "" : "s");
    if (unmatched > 0) {
        fprintf(r->cli->out, ", %zu tensors belong to none that is known, %s first", unmatched,
                shown(name, lyc_network_file_unmatched(file, 0)));
    }
    fputc('\n', r->cli->out);
}

static lyc_status verify_file(verify_run *r, const char *path, lyc_error *err)
{
    lyc_network_file *file = NULL;
    const lyc_network_file_options open_options = {.component = r->config->component};
    LYC_TRY(lyc_network_file_open(&file, path, &open_options, err));
    begin_file(r, path, file);
    lyc_status status = LYC_OK;
    for (size_t i = 0; i < r->count && status == LYC_OK; i++) {
        status = verify_for(r, file, r->consumers[i], err);
    }
    if (r->cli->json) {
        lyc_json_end(&r->json);
        lyc_json_end(&r->json);
    }
    lyc_network_file_close(file);
    return status;
}

static lyc_status run(lyc_cli *cli, const void *config, int operand_count, char **operands, lyc_error *err)
{
    verify_run r = {.cli = cli, .config = config, .json = {.out = cli->out}, .all_load = true};
    LYC_TRY(choose_consumers(&r, err));
    if (cli->json) {
        lyc_json_begin_array(&r.json, NULL);
    }
    lyc_status status = LYC_OK;
    for (int i = 0; i < operand_count && status == LYC_OK; i++) {
        status = verify_file(&r, operands[i], err);
    }
    if (cli->json) {
        lyc_json_end(&r.json);
    }
    if (status == LYC_OK && r.config->consumers != NULL && !r.all_load) {
        lyc_cli_hint(cli, "lycoris convert --for writes a file that does");
        return lyc_cli_fail(err, LYC_E_UNSUPPORTED, "not every program of --for loads %s as %s meant",
                            operand_count == 1 ? "the file" : "the files", operand_count == 1 ? "it is" : "they are");
    }
    return status;
}

static const lyc_example examples[] = {
    {"lycoris verify style.safetensors", "for all programs that are known"},
    {"lycoris verify --for comfyui,a1111 style.safetensors", "exit status 3 unless both load it"},
    {"lycoris verify --layers --for diffusers style.safetensors", "layer by layer"},
    {NULL, NULL},
};

const lyc_command lyc_command_verify = {
    .name = "verify",
    .summary = "say which programs load an adapter file as it is meant",
    .operands = "FILE...",
    .description =
        "Programs that read adapters drop what they do not know, mostly without a word, and some compute something "
        "else. For each program this says which layers it loads, which it drops, and where the result differs and why. "
        "The rules are of the versions that are named; `lycoris formats` shows them as a table.\n\n"
        "A folder of PEFT is named as a folder.",
    .options = options,
    .examples = examples,
    .operand_kind = LYC_OPERAND_FILE,
    .min_operands = 1,
    .max_operands = -1,
    .has_json = true,
    .config_size = sizeof(verify_config),
    .run = run,
};
