/* cmd_metadata.c - lycoris metadata: what a file says about itself, and changing it
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "lycoris/metadata.h"
#include "lycoris/text.h"

typedef struct metadata_config {
    const char *output, *trigger, *title, *description, *thumbnail;
    lyc_option_list set, unset;
    bool in_place, sidecars, force;
    int64_t tags;
} metadata_config;

#define AT(member) .offset = offsetof(metadata_config, member)

/* clang-format off */
static const lyc_option options[] = {
    {.name = "tags", .kind = LYC_OPTION_INT, AT(tags), .standard = "10", .min = 0, .max = 100000, .help = "how many of the most frequent tags to show"},
    {.name = "trigger", .kind = LYC_OPTION_TEXT, AT(trigger), .metavar = "TEXT", .help = "set the trigger phrase: words that call what was trained"},
    {.name = "title", .kind = LYC_OPTION_TEXT, AT(title), .metavar = "TEXT", .help = "set the title"},
    {.name = "description", .kind = LYC_OPTION_TEXT, AT(description), .metavar = "TEXT", .help = "set the description"},
    {.name = "thumbnail", .kind = LYC_OPTION_PATH, AT(thumbnail), .help = "set the picture that programs show: PNG, JPEG or WebP of at most 1 MiB"},
    {.name = "set", .kind = LYC_OPTION_LIST, AT(set), .metavar = "KEY=TEXT", .help = "set any key; may be given several times"},
    {.name = "unset", .kind = LYC_OPTION_LIST, AT(unset), .metavar = "KEY", .help = "take a key away; may be given several times"},
    {.name = "output", .letter = 'o', .kind = LYC_OPTION_PATH, AT(output), .help = "the file to write"},
    {.name = "in-place", .letter = 'i', .kind = LYC_OPTION_BOOL, AT(in_place), .help = "exchange the file itself; the old one stays until the new one is complete"},
    {.name = "sidecars", .kind = LYC_OPTION_BOOL, AT(sidecars), .help = "also write NAME.json and NAME.preview.png, which AUTOMATIC1111's web UI reads"},
    {.name = "force", .letter = 'f', .kind = LYC_OPTION_BOOL, AT(force), .help = "replace files that are there"},
    {0},
};
/* clang-format on */

enum { TEXT_SHOWN = 512, MAX_CHANGES = 64, KEY_LENGTH = 128 };

static const char *shown(char out[TEXT_SHOWN], const char *text)
{
    lyc_text_printable(out, TEXT_SHOWN, text, strlen(text));
    return out;
}

/* --- showing -------------------------------------------------------------------------------------------------------
 */

/* What people look for first; `lycoris inspect --meta` shows all. */
static const struct {
    const char *label, *key;
} fields[] = {
    {"title", "modelspec.title"},    {"trigger", "modelspec.trigger_phrase"}, {"description", "modelspec.description"},
    {"author", "modelspec.author"},  {"license", "modelspec.license"},        {"for", "modelspec.architecture"},
    {"base", "ss_sd_model_name"},    {"family", "ss_base_model_version"},     {"module", "ss_network_module"},
    {"rank", "ss_network_dim"},      {"alpha", "ss_network_alpha"},           {"arguments", "ss_network_args"},
    {"resolution", "ss_resolution"}, {"pictures", "ss_num_train_images"},     {"steps", "ss_steps"},
    {"epochs", "ss_epoch"},          {"optimizer", "ss_optimizer"},           {"rate", "ss_learning_rate"},
    {"clip skip", "ss_clip_skip"},   {"comment", "ss_training_comment"},      {"date", "modelspec.date"},
    {"hash", "sshs_model_hash"},
};

static void print_line(lyc_cli *cli, const char *label, const char *text)
{
    char shown_text[TEXT_SHOWN];
    fprintf(cli->out, "  %s%-12s%s", lyc_style_begin(cli->out_colour, LYC_STYLE_DIM), label,
            lyc_style_end(cli->out_colour));
    lyc_text_wrap(cli->out, shown(shown_text, text), 14, 14, cli->out_width);
}

static lyc_status print_tags(lyc_cli *cli, const lyc_safetensors *file, int64_t limit, lyc_error *err)
{
    size_t count;
    lyc_tag_count *tags;
    lyc_line line = {0};
    char tag[TEXT_SHOWN];
    LYC_TRY(lyc_metadata_tags(&tags, &count, file, (size_t)limit, err));
    for (size_t i = 0; i < count; i++) {
        lyc_line_add(&line, "%s%s (%" PRId64 ")", i > 0 ? ", " : "", shown(tag, tags[i].tag), tags[i].count);
    }
    lyc_metadata_tags_free(tags, count);
    if (count > 0) {
        print_line(cli, "tags", line.text);
    }
    return LYC_OK;
}

static void print_json(lyc_cli *cli, const lyc_safetensors *file)
{
    lyc_json json = {.out = cli->out};
    lyc_json_begin_object(&json, NULL);
    for (size_t i = 0; i < lyc_safetensors_metadata_count(file); i++) {
        const lyc_metadata_entry entry = lyc_safetensors_metadata_at(file, i);
        lyc_json_text_n(&json, entry.key, entry.key_length, entry.value, entry.value_length);
    }
    lyc_json_end(&json);
}

static lyc_status show(lyc_cli *cli, const metadata_config *config, const char *path, const lyc_safetensors *file,
                       lyc_error *err)
{
    char name[TEXT_SHOWN];
    size_t found = 0;
    if (cli->json) {
        print_json(cli, file);
        return LYC_OK;
    }
    fprintf(cli->out, "%s%s%s\n", lyc_style_begin(cli->out_colour, LYC_STYLE_BOLD), shown(name, path),
            lyc_style_end(cli->out_colour));
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const char *text = lyc_safetensors_metadata(file, fields[i].key);
        if (text != NULL) {
            print_line(cli, fields[i].label, text);
            found++;
        }
    }
    LYC_TRY(print_tags(cli, file, config->tags, err));
    fprintf(cli->out, "  %zu of %zu keys are shown%s\n", found, lyc_safetensors_metadata_count(file),
            found < lyc_safetensors_metadata_count(file) ? "; lycoris inspect --meta shows all" : "");
    return LYC_OK;
}

/* --- changing ------------------------------------------------------------------------------------------------------
 */

typedef struct change_list {
    lyc_metadata_change changes[MAX_CHANGES];
    size_t count;
    char keys[MAX_CHANGES][KEY_LENGTH]; /* cut from KEY=TEXT */
    char *thumbnail;
} change_list;

static lyc_status add(change_list *list, const char *key, const char *value, lyc_error *err)
{
    if (list->count == MAX_CHANGES) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "more than %d changes at a time", (int)MAX_CHANGES);
    }
    list->changes[list->count++] = (lyc_metadata_change){key, value};
    return LYC_OK;
}

static lyc_status add_assignment(change_list *list, const char *text, lyc_error *err)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "--set: '%s' is not KEY=TEXT", text);
    }
    const size_t length = (size_t)(equals - text);
    if (length >= KEY_LENGTH) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "--set: a key of %zu bytes, at most %d", length, KEY_LENGTH - 1);
    }
    LYC_TRY(add(list, "", equals + 1, err));
    char *key = list->keys[list->count - 1];
    memcpy(key, text, length);
    key[length] = '\0';
    list->changes[list->count - 1].key = key;
    return LYC_OK;
}

static lyc_status list_changes(change_list *list, const metadata_config *config, lyc_error *err)
{
    const struct {
        const char *key, *value;
    } own[] = {{"modelspec.trigger_phrase", config->trigger},
               {"modelspec.title", config->title},
               {"modelspec.description", config->description}};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (own[i].value != NULL) {
            LYC_TRY(add(list, own[i].key, own[i].value, err));
        }
    }
    if (config->thumbnail != NULL) {
        LYC_TRY(lyc_metadata_thumbnail(&list->thumbnail, config->thumbnail, err));
        LYC_TRY(add(list, "modelspec.thumbnail", list->thumbnail, err));
    }
    for (size_t i = 0; i < config->unset.count; i++) {
        LYC_TRY(add(list, config->unset.items[i], NULL, err));
    }
    for (size_t i = 0; i < config->set.count; i++) {
        LYC_TRY(add_assignment(list, config->set.items[i], err));
    }
    return LYC_OK;
}

static lyc_status write_changes(lyc_cli *cli, const metadata_config *config, const char *path,
                                const lyc_safetensors *file, const change_list *list, lyc_error *err)
{
    const char *output = config->in_place ? path : config->output;
    const lyc_task task = lyc_cli_task(cli);
    const lyc_metadata_options o = {.force = config->force, .replace = config->in_place};
    if (output == NULL) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "where to write is not said: --output FILE, or --in-place");
    }
    return lyc_metadata_write(output, file, list->changes, list->count, &o, &task, err);
}

static lyc_status write_sidecars(lyc_cli *cli, const metadata_config *config, const char *path, lyc_error *err)
{
    int written = 0;
    lyc_safetensors *file = NULL;
    LYC_TRY(lyc_safetensors_open(&file, path, NULL, err));
    const lyc_status status = lyc_metadata_write_sidecars(&written, path, file, config->force, err);
    lyc_safetensors_close(file);
    if (status == LYC_OK && !cli->json) {
        fprintf(cli->out, "%d file%s beside it\n", written, written == 1 ? "" : "s");
    }
    return status;
}

static lyc_status run_on(lyc_cli *cli, const metadata_config *config, const char *path, const lyc_safetensors *file,
                         lyc_error *err)
{
    change_list list = {0};
    lyc_status status = list_changes(&list, config, err);
    const bool changes = list.count > 0;
    if (status == LYC_OK && changes) {
        status = write_changes(cli, config, path, file, &list, err);
    } else if (status == LYC_OK && (config->output != NULL || config->in_place)) {
        status = lyc_cli_fail(err, LYC_E_ARGUMENT, "there is nothing to change");
    }
    lyc_metadata_text_free(list.thumbnail);
    if (status == LYC_OK && config->sidecars) {
        status = write_sidecars(cli, config, changes && !config->in_place ? config->output : path, err);
    }
    return status != LYC_OK || changes || config->sidecars ? status : show(cli, config, path, file, err);
}

static lyc_status run(lyc_cli *cli, const void *config, int operand_count, char **operands, lyc_error *err)
{
    lyc_safetensors *file = NULL;
    (void)operand_count;
    LYC_TRY(lyc_safetensors_open(&file, operands[0], NULL, err));
    const lyc_status status = run_on(cli, config, operands[0], file, err);
    lyc_safetensors_close(file);
    return status;
}

static const lyc_example examples[] = {
    {"lycoris metadata style.safetensors", "title, trigger phrase, rank, the most frequent tags"},
    {"lycoris metadata style.safetensors --trigger \"sks fox\" --thumbnail fox.png -i", "as programs show it"},
    {"lycoris metadata style.safetensors --unset ss_sd_model_name -o clean.safetensors", "take a key away"},
    {"lycoris metadata style.safetensors --sidecars", "the files that A1111 reads beside it"},
    {NULL, NULL},
};

const lyc_command lyc_command_metadata = {
    .name = "metadata",
    .summary = "show and change what a file says about itself",
    .operands = "FILE",
    .description =
        "Shows what a model or adapter file says about itself, or writes it with other metadata. Tensors are "
        "copied byte for byte, and the hash of the tensors stays true.",
    .options = options,
    .examples = examples,
    .operand_kind = LYC_OPERAND_FILE,
    .min_operands = 1,
    .max_operands = 1,
    .has_json = true,
    .config_size = sizeof(metadata_config),
    .run = run,
};
