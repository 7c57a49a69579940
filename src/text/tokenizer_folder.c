/* tokenizer_folder.c - the files of a tokenizer folder
 *
 *   vocab.json               {"piece": id, ...}; says the ids, whatever merges.txt suggests
 *   merges.txt               pairs in order of rank
 *   tokenizer.json           all of it in one file (what transformers 5 writes); read when there is no vocab.json
 *   added_tokens.json        {"name": id, ...}
 *   tokenizer_config.json    bos_token, eos_token, unk_token, pad_token: a text or {"content": text};
 *                            "added_tokens_decoder": {"id": {"content": name, "special": true}, ...}
 *   special_tokens_map.json  the same four; where both say something this file counts (SD 2.x pads with "!" by it)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/path.h"
#include "tensor/json_scan.h"
#include "text/tokenizer_internal.h"

enum {
    FILE_MAX = 64 << 20, /* bytes; CLIP's tokenizer.json has 3.6 million */
    DEPTH_MAX = 16,
    ROLE_COUNT = 4
};

typedef enum role { ROLE_BOS, ROLE_EOS, ROLE_UNKNOWN, ROLE_PAD } role;
static const char *const role_names[ROLE_COUNT] = {"bos_token", "eos_token", "unk_token", "pad_token"};
static const char *const role_defaults[ROLE_COUNT] = {"<|startoftext|>", "<|endoftext|>", "<|endoftext|>",
                                                      "<|endoftext|>"};

typedef struct reader {
    lyc_tokenizer *t;
    const char *folder;
    lyc_arena arena;
    const char *roles[ROLE_COUNT];
    lyc_strbuf file; /* the one that is being read */
    char *room;      /* for a string of it */
    lyc_json_scan scan;
    lyc_error *err;
} reader;

/* A member of an object: its value is read, or skipped. key is NUL-terminated and gone with the next string. */
typedef lyc_status member_reader(reader *r, lyc_span key, void *context);

/* --- JSON ----------------------------------------------------------------------------------------------------------
 */

static lyc_status skip_value(reader *r)
{
    return lyc_json_skip(&r->scan, r->room);
}

static lyc_status read_object(reader *r, const char *what, member_reader *member, void *context)
{
    bool more = true;
    LYC_TRY(lyc_json_open(&r->scan, '{', what));
    for (bool first = true;; first = false) {
        lyc_span key = {r->room, 0};
        LYC_TRY(lyc_json_next(&more, &r->scan, '}', first));
        if (!more) {
            return LYC_OK;
        }
        LYC_TRY(lyc_json_string(r->room, &key.length, &r->scan));
        LYC_TRY(lyc_json_colon(&r->scan));
        LYC_TRY(member(r, key, context));
    }
}

static lyc_status read_text(const char **out, reader *r)
{
    size_t length = 0;
    LYC_TRY(lyc_json_string(r->room, &length, &r->scan));
    if (memchr(r->room, '\0', length) != NULL) {
        return lyc_json_fail(&r->scan, r->scan.position, "a token with NUL inside");
    }
    *out = lyc_arena_text_n(&r->arena, r->room, length);
    return *out != NULL ? LYC_OK : lyc_fail(r->err, LYC_E_MEMORY, "no memory for the tokenizer");
}

/* --- parts of files ------------------------------------------------------------------------------------------------
 */

static lyc_status read_piece(reader *r, lyc_span key, void *context)
{
    (void)context;
    /* The key lies where the next string would go; a number needs no room. */
    uint64_t id = 0;
    LYC_TRY(lyc_json_read_unsigned(&id, &r->scan, "the id of a piece"));
    return lyc_vocabulary_add(&r->t->vocabulary, key, id, r->err);
}

typedef struct added_entry {
    const char *content;
    uint64_t id;
    bool has_id;
    bool is_special;
} added_entry;

static lyc_status add_token(reader *r, const added_entry *entry)
{
    lyc_tokenizer *t = r->t;
    if (entry->content == NULL || entry->content[0] == '\0' || !entry->has_id) {
        return LYC_OK;
    }
    if (entry->id > INT32_MAX - 1) {
        return lyc_json_fail(&r->scan, r->scan.position, "the id of an added token is too large");
    }
    const int32_t id = (int32_t)entry->id;
    if (entry->is_special) {
        return lyc_tokenizer_add_special(t, entry->content, id, r->err);
    }
    const lyc_added_token *known = lyc_added_tokens_find(&t->added, entry->content);
    return known != NULL && known->ids.first == id ? LYC_OK : lyc_tokenizer_add(t, entry->content, id, 1, r->err);
}

static lyc_status read_added_member(reader *r, lyc_span key, void *context)
{
    added_entry *entry = context;
    if (lyc_span_is(key, "content") && lyc_json_peek(&r->scan) == '"') {
        return read_text(&entry->content, r);
    }
    if (lyc_span_is(key, "special")) {
        entry->is_special = lyc_json_peek(&r->scan) == 't';
    } else if (lyc_span_is(key, "id")) {
        entry->has_id = true;
        return lyc_json_read_unsigned(&entry->id, &r->scan, "the id of an added token");
    }
    return skip_value(r);
}

/* {"id": {"content": name, ...}} */
static lyc_status read_decoder_entry(reader *r, lyc_span key, void *context)
{
    (void)context;
    added_entry entry = {.has_id = true};
    double id = 0;
    if (!lyc_number_parse(&id, key) || id < 0 || id > INT32_MAX - 1) {
        return lyc_json_fail(&r->scan, r->scan.position, "the id of an added token is '%s'", r->room);
    }
    entry.id = (uint64_t)id;
    LYC_TRY(read_object(r, "an added token", read_added_member, &entry));
    return add_token(r, &entry);
}

/* {"name": id} */
static lyc_status read_added_id(reader *r, lyc_span key, void *context)
{
    (void)context;
    added_entry entry = {.content = lyc_arena_text_n(&r->arena, key.text, key.length), .has_id = true};
    if (entry.content == NULL) {
        return lyc_fail(r->err, LYC_E_MEMORY, "no memory for the tokenizer");
    }
    LYC_TRY(lyc_json_read_unsigned(&entry.id, &r->scan, "the id of an added token"));
    return add_token(r, &entry);
}

/* [{"id": 1, "content": name, ...}] */
static lyc_status read_added_list(reader *r)
{
    bool more = true;
    LYC_TRY(lyc_json_open(&r->scan, '[', "a list of added tokens"));
    for (bool first = true;; first = false) {
        added_entry entry = {0};
        LYC_TRY(lyc_json_next(&more, &r->scan, ']', first));
        if (!more) {
            return LYC_OK;
        }
        LYC_TRY(read_object(r, "an added token", read_added_member, &entry));
        LYC_TRY(add_token(r, &entry));
    }
}

static lyc_status read_content(reader *r, lyc_span key, void *context)
{
    return lyc_span_is(key, "content") ? read_text(context, r) : skip_value(r);
}

/* A member of tokenizer_config.json or special_tokens_map.json. */
static lyc_status read_setting(reader *r, lyc_span key, void *context)
{
    (void)context;
    if (lyc_span_is(key, "added_tokens_decoder")) {
        return read_object(r, "an object of added tokens", read_decoder_entry, NULL);
    }
    for (size_t i = 0; i < ROLE_COUNT; i++) {
        if (lyc_span_is(key, role_names[i])) {
            const char c = lyc_json_peek(&r->scan);
            return c == '"'   ? read_text(&r->roles[i], r)
                   : c == '{' ? read_object(r, "a token", read_content, &r->roles[i])
                              : skip_value(r);
        }
    }
    return skip_value(r);
}

/* One merge of tokenizer.json: ["left", "right"], or "left right" in older files. */
static lyc_status read_merge(reader *r)
{
    bool more = true;
    size_t length[2] = {0};
    if (lyc_json_peek(&r->scan) == '"') {
        LYC_TRY(lyc_json_string(r->room, &length[0], &r->scan));
        const char *blank = memchr(r->room, ' ', length[0]);
        if (blank == NULL) {
            return lyc_json_fail(&r->scan, r->scan.position, "a merge without a blank");
        }
        const lyc_span left = {r->room, (size_t)(blank - r->room)};
        return lyc_vocabulary_add_merge(&r->t->vocabulary, left, (lyc_span){blank + 1, length[0] - left.length - 1},
                                        false, r->err);
    }
    LYC_TRY(lyc_json_open(&r->scan, '[', "a merge"));
    char *part = r->room;
    for (int i = 0; i < 2; i++) {
        LYC_TRY(lyc_json_next(&more, &r->scan, ']', i == 0));
        if (!more) {
            return lyc_json_fail(&r->scan, r->scan.position, "a merge of fewer than two pieces");
        }
        LYC_TRY(lyc_json_string(part, &length[i], &r->scan));
        part += length[i] + 1; /* both were in the text with their quotes, so that the second fits too */
    }
    LYC_TRY(lyc_json_next(&more, &r->scan, ']', false));
    if (more) {
        return lyc_json_fail(&r->scan, r->scan.position, "a merge of more than two pieces");
    }
    return lyc_vocabulary_add_merge(&r->t->vocabulary, (lyc_span){r->room, length[0]},
                                    (lyc_span){r->room + length[0] + 1, length[1]}, false, r->err);
}

static lyc_status read_merge_list(reader *r)
{
    bool more = true;
    LYC_TRY(lyc_json_open(&r->scan, '[', "a list of merges"));
    for (bool first = true;; first = false) {
        LYC_TRY(lyc_json_next(&more, &r->scan, ']', first));
        if (!more) {
            return LYC_OK;
        }
        LYC_TRY(read_merge(r));
    }
}

/* The member "model" of tokenizer.json. Merges are read when all pieces are known, so where they stand is noted. */
static lyc_status read_model_member(reader *r, lyc_span key, void *context)
{
    size_t *merges_at = context;
    if (lyc_span_is(key, "vocab")) {
        return read_object(r, "an object of pieces", read_piece, NULL);
    }
    if (lyc_span_is(key, "merges")) {
        lyc_json_peek(&r->scan);
        *merges_at = r->scan.position;
    }
    return skip_value(r);
}

static lyc_status read_whole_member(reader *r, lyc_span key, void *context)
{
    if (lyc_span_is(key, "model")) {
        return read_object(r, "an object", read_model_member, context);
    }
    return lyc_span_is(key, "added_tokens") ? read_added_list(r) : skip_value(r);
}

/* --- files ---------------------------------------------------------------------------------------------------------
 */

static void close_file(reader *r)
{
    lyc_strbuf_clear(&r->file);
    lyc_free(r->room);
    r->room = NULL;
}

/* Reads a file of the folder into r->file and points the scanner at it. */
static lyc_status open_file(reader *r, const char *path)
{
    close_file(r);
    LYC_TRY(lyc_file_read(&r->file, path, FILE_MAX, r->err));
    r->room = lyc_alloc(r->file.length + 2);
    if (r->room == NULL) {
        return lyc_fail(r->err, LYC_E_MEMORY, "no memory for %s", path);
    }
    r->scan = (lyc_json_scan){
        .text = (const unsigned char *)lyc_strbuf_text(&r->file),
        .size = r->file.length,
        .max_depth = DEPTH_MAX,
        .err = r->err,
    };
    return LYC_OK;
}

static const char *file_path(reader *r, const char *name)
{
    return lyc_path_join(&r->arena, r->folder, lyc_span_of(name));
}

static bool has_file(reader *r, const char *name)
{
    lyc_file_id id;
    const char *path = file_path(r, name);
    return path != NULL && lyc_file_id_of(&id, path, NULL) == LYC_OK;
}

/* Reads a JSON file of the folder, an object; one that is not there is passed over. */
static lyc_status read_json(reader *r, const char *name, member_reader *member, void *context)
{
    const char *path = file_path(r, name);
    if (!has_file(r, name)) {
        return LYC_OK;
    }
    LYC_TRY(open_file(r, path));
    if (read_object(r, "an object", member, context) != LYC_OK) {
        return lyc_wrap(r->err, "reading %s", path);
    }
    if (lyc_json_peek(&r->scan) != '\0' || r->scan.position < r->scan.size) {
        lyc_json_fail(&r->scan, r->scan.position, "something stands behind the object");
        return lyc_wrap(r->err, "reading %s", path);
    }
    return LYC_OK;
}

static lyc_status read_two_files(reader *r)
{
    const char *path = file_path(r, "merges.txt");
    LYC_TRY(read_json(r, "vocab.json", read_piece, NULL));
    if (path == NULL) {
        return lyc_fail(r->err, LYC_E_MEMORY, "no memory for the tokenizer");
    }
    LYC_TRY(open_file(r, path));
    const lyc_span text = {lyc_strbuf_text(&r->file), r->file.length};
    if (lyc_vocabulary_read_merges(&r->t->vocabulary, text, false, r->err) != LYC_OK) {
        return lyc_wrap(r->err, "reading %s", path);
    }
    return LYC_OK;
}

static lyc_status read_one_file(reader *r)
{
    size_t merges_at = 0;
    LYC_TRY(read_json(r, "tokenizer.json", read_whole_member, &merges_at));
    if (merges_at == 0) {
        return lyc_fail(r->err, LYC_E_FORMAT, "tokenizer.json in %s has no merges of a byte-pair encoding", r->folder);
    }
    r->scan.position = merges_at;
    r->scan.depth = 0;
    return read_merge_list(r);
}

static lyc_status read_vocabulary(reader *r)
{
    if (has_file(r, "vocab.json")) {
        LYC_TRY(read_two_files(r));
    } else if (has_file(r, "tokenizer.json")) {
        LYC_TRY(read_one_file(r));
    } else {
        return lyc_fail(r->err, LYC_E_IO, "no vocab.json and no tokenizer.json in %s", r->folder);
    }
    r->t->id_end = r->t->vocabulary.id_end > r->t->id_end ? r->t->vocabulary.id_end : r->t->id_end;
    return lyc_vocabulary_finish(&r->t->vocabulary, r->err);
}

/* Finds the id of a role's token, and makes the token a special one. */
static lyc_status resolve_role(int32_t *id, reader *r, role which)
{
    const char *name = r->roles[which] != NULL ? r->roles[which] : role_defaults[which];
    const lyc_added_token *added = lyc_added_tokens_find(&r->t->added, name);
    *id = added != NULL ? added->ids.first : lyc_vocabulary_id(&r->t->vocabulary, lyc_span_of(name));
    if (*id < 0) {
        return lyc_fail(r->err, LYC_E_FORMAT, "the %s '%s' of %s is not in its vocabulary", role_names[which], name,
                        r->folder);
    }
    return lyc_tokenizer_add_special(r->t, name, *id, r->err);
}

static lyc_status read_folder(reader *r)
{
    LYC_TRY(read_vocabulary(r));
    LYC_TRY(read_json(r, "added_tokens.json", read_added_id, NULL));
    LYC_TRY(read_json(r, "tokenizer_config.json", read_setting, NULL));
    LYC_TRY(read_json(r, "special_tokens_map.json", read_setting, NULL));
    LYC_TRY(resolve_role(&r->t->bos, r, ROLE_BOS));
    LYC_TRY(resolve_role(&r->t->eos, r, ROLE_EOS));
    LYC_TRY(resolve_role(&r->t->unknown, r, ROLE_UNKNOWN));
    return resolve_role(&r->t->pad, r, ROLE_PAD);
}

lyc_status lyc_tokenizer_read_folder(lyc_tokenizer *t, const char *folder, lyc_error *err)
{
    lyc_error own = {0};
    reader r = {.t = t, .folder = folder, .err = err != NULL ? err : &own};
    const lyc_status status = read_folder(&r);
    close_file(&r);
    lyc_arena_clear(&r.arena);
    return status;
}
