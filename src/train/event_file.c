/* event_file.c - the event files that TensorBoard shows
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "train/event_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/append_file.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/string.h"

struct lyc_event_file {
    lyc_append_file *file;
    uint32_t table[256];
};

/* --- checksums -----------------------------------------------------------------------------------------------------
 */

static void make_table(uint32_t table[256])
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++) {
            c = (c & 1u) != 0 ? c >> 1 ^ 0x82F63B78u : c >> 1;
        }
        table[i] = c;
    }
}

static uint32_t crc32c(const uint32_t table[256], const void *data, size_t size)
{
    uint32_t c = 0xFFFFFFFFu;
    for (size_t i = 0; i < size; i++) {
        c = table[(c ^ ((const unsigned char *)data)[i]) & 0xFFu] ^ c >> 8;
    }
    return ~c;
}

uint32_t lyc_event_crc32c(const void *data, size_t size)
{
    uint32_t table[256];
    make_table(table);
    return crc32c(table, data, size);
}

static uint32_t masked(uint32_t c)
{
    return (c >> 15 | c << 17) + 0xA282EAD8u;
}

/* --- protocol buffers ----------------------------------------------------------------------------------------------
 */

enum { VARINT = 0, EIGHT_BYTES = 1, BYTES = 2, FOUR_BYTES = 5 };

static void put_little(lyc_strbuf *out, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        lyc_strbuf_append_char(out, (char)(value >> 8 * i & 0xFFu));
    }
}

static void put_varint(lyc_strbuf *out, uint64_t value)
{
    for (; value >= 0x80u; value >>= 7) {
        lyc_strbuf_append_char(out, (char)((value & 0x7Fu) | 0x80u));
    }
    lyc_strbuf_append_char(out, (char)value);
}

static void put_key(lyc_strbuf *out, unsigned field, unsigned kind)
{
    put_varint(out, field << 3 | kind);
}

static void put_double(lyc_strbuf *out, unsigned field, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_key(out, field, EIGHT_BYTES);
    put_little(out, bits, 8);
}

static void put_float(lyc_strbuf *out, unsigned field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_key(out, field, FOUR_BYTES);
    put_little(out, bits, 4);
}

static void put_integer(lyc_strbuf *out, unsigned field, int64_t value)
{
    put_key(out, field, VARINT);
    put_varint(out, (uint64_t)value);
}

static void put_bytes(lyc_strbuf *out, unsigned field, const void *data, size_t size)
{
    put_key(out, field, BYTES);
    put_varint(out, size);
    lyc_strbuf_append_n(out, data, size);
}

/* --- records -------------------------------------------------------------------------------------------------------
 */

static lyc_status write_record(lyc_event_file *f, lyc_strbuf *event, lyc_error *err)
{
    lyc_strbuf head = {0}, tail = {0};
    lyc_status status = lyc_strbuf_check(event, "an event", err);
    if (status == LYC_OK) {
        put_little(&head, event->length, 8);
        put_little(&head, masked(crc32c(f->table, head.text, 8)), 4);
        put_little(&tail, masked(crc32c(f->table, event->text, event->length)), 4);
        status = lyc_strbuf_check(&head, "an event", err);
        status = status != LYC_OK ? status : lyc_strbuf_check(&tail, "an event", err);
    }
    status = status != LYC_OK ? status : lyc_append_file_write(f->file, head.text, head.length, err);
    status = status != LYC_OK ? status : lyc_append_file_write(f->file, event->text, event->length, err);
    status = status != LYC_OK ? status : lyc_append_file_write(f->file, tail.text, tail.length, err);
    lyc_strbuf_clear(&head);
    lyc_strbuf_clear(&tail);
    lyc_strbuf_clear(event);
    return status;
}

/* Event { wall_time = 1, step = 2, file_version = 3 | summary = 5 | session_log = 7 } */
static lyc_strbuf begin_event(double time, int64_t step)
{
    lyc_strbuf event = {0};
    put_double(&event, 1, time);
    if (step != 0) {
        put_integer(&event, 2, step);
    }
    return event;
}

static lyc_status write_start(lyc_event_file *f, double time, int64_t resumed_at, lyc_error *err)
{
    static const char version[] = "brain.Event:2", start[] = {1 << 3, 1}; /* SessionLog { status = START } */
    lyc_strbuf first = begin_event(time, 0);
    put_bytes(&first, 3, version, sizeof version - 1);
    LYC_TRY(write_record(f, &first, err));
    if (resumed_at < 0) {
        return LYC_OK;
    }
    lyc_strbuf session = begin_event(time, resumed_at);
    put_bytes(&session, 7, start, sizeof start);
    return write_record(f, &session, err);
}

/* Summary { value = 1 { tag = 1, ... } } */
static lyc_status write_value(lyc_event_file *f, double time, int64_t step, lyc_strbuf *value, lyc_error *err)
{
    lyc_strbuf summary = {0};
    lyc_strbuf event = begin_event(time, step);
    put_bytes(&summary, 1, value->text, value->length);
    put_bytes(&event, 5, summary.text, summary.length);
    const bool failed = value->failed || summary.failed;
    lyc_strbuf_clear(value);
    lyc_strbuf_clear(&summary);
    if (failed) {
        lyc_strbuf_clear(&event);
        return lyc_fail(err, LYC_E_MEMORY, "no memory for an event");
    }
    return write_record(f, &event, err);
}

lyc_status lyc_event_file_scalar(lyc_event_file *f, double time, int64_t step, const char *tag, double value,
                                 lyc_error *err)
{
    lyc_strbuf text = {0};
    put_bytes(&text, 1, tag, strlen(tag));
    put_float(&text, 2, (float)value);
    return write_value(f, time, step, &text, err);
}

/* Image { height = 1, width = 2, colorspace = 3, encoded_image_string = 4 } */
lyc_status lyc_event_file_image(lyc_event_file *f, double time, int64_t step, const char *tag, const void *png,
                                size_t size, int width, int height, lyc_error *err)
{
    lyc_strbuf image = {0}, text = {0};
    put_integer(&image, 1, height);
    put_integer(&image, 2, width);
    put_integer(&image, 3, 3);
    put_bytes(&image, 4, png, size);
    put_bytes(&text, 1, tag, strlen(tag));
    if (!image.failed) {
        put_bytes(&text, 4, image.text, image.length);
    }
    const bool failed = image.failed;
    lyc_strbuf_clear(&image);
    if (failed) {
        lyc_strbuf_clear(&text);
        return lyc_fail(err, LYC_E_MEMORY, "no memory for a picture of %zu bytes", size);
    }
    return write_value(f, time, step, &text, err);
}

/* --- files ---------------------------------------------------------------------------------------------------------
 */

/* events.out.tfevents.<seconds>.<host>.<process>.<number>: the first number of which there is no file yet. */
static lyc_status open_next(lyc_event_file *f, const char *folder, double time, lyc_error *err)
{
    lyc_arena arena = {0};
    lyc_status status = LYC_OK;
    for (int number = 0; f->file == NULL && status == LYC_OK; number++) {
        lyc_file_id id;
        char name[128];
        snprintf(name, sizeof name, "events.out.tfevents.%" PRId64 ".lycoris.0.%d", (int64_t)time, number);
        const char *path = lyc_path_join(&arena, folder, lyc_span_of(name));
        if (path == NULL) {
            status = lyc_fail(err, LYC_E_MEMORY, "no memory for a file name");
        } else if (lyc_file_id_of(&id, path, NULL) != LYC_OK) {
            status = lyc_append_file_open(&f->file, path, err);
        }
    }
    lyc_arena_clear(&arena);
    return status;
}

lyc_status lyc_event_file_open(lyc_event_file **out, const char *folder, double time, int64_t resumed_at,
                               lyc_error *err)
{
    lyc_event_file *f = lyc_alloc_zero(1, sizeof *f);
    if (f == NULL) {
        return lyc_fail(err, LYC_E_MEMORY, "no memory for an event file");
    }
    make_table(f->table);
    lyc_status status = lyc_path_make_folder(folder, err);
    status = status != LYC_OK ? status : open_next(f, folder, time, err);
    status = status != LYC_OK ? status : write_start(f, time, resumed_at, err);
    if (status != LYC_OK) {
        lyc_event_file_close(f);
        return status;
    }
    *out = f;
    return LYC_OK;
}

lyc_status lyc_event_file_flush(lyc_event_file *f, lyc_error *err)
{
    return lyc_append_file_flush(f->file, err);
}

void lyc_event_file_close(lyc_event_file *f)
{
    if (f != NULL) {
        lyc_append_file_close(f->file);
        lyc_free(f);
    }
}
