/* cmd_version.c - lycoris version
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/command.h"
#include "cli/json.h"
#include "lycoris/version.h"

static lyc_status run(lyc_cli *cli, const void *config, int operand_count, char **operands, lyc_error *err)
{
    (void)config;
    (void)operand_count;
    (void)operands;
    (void)err;
    if (cli->json) {
        lyc_json json = {.out = cli->out};
        lyc_json_begin_object(&json, NULL);
        lyc_json_text(&json, "program", LYCORIS_VERSION);
        lyc_json_text(&json, "library", lyc_version());
        lyc_json_end(&json);
    } else {
        fprintf(cli->out, "lycoris %s\n", lyc_version());
    }
    return LYC_OK;
}

const lyc_command lyc_command_version = {
    .name = "version",
    .summary = "show the version",
    .description =
        "Shows the version of the program, which is that of the library it runs with. `lycoris doctor` says more "
        "about how it was built.",
    .has_json = true,
    .run = run,
};
