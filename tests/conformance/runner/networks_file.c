/* networks_file.c - see networks_file.h
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "networks_file.h"

lyc_status lyc_networks_file_run(lyc_result *result, lyc_case *c, lyc_error *err)
{
    (void)result;
    (void)c;
    return lyc_fail(err, LYC_E_UNSUPPORTED, "not yet");
}
