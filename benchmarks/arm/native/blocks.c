/* A plugin of QEMU (API version 1) that counts how often each block of straight code runs.
 *
 * The guest marks moments by write(MARKER_FD, ...), to a descriptor that nobody has open. At each the
 * plugin prints "mark"; from the second on, before that, every block that ran since the last one: how
 * often, and its AArch64 instructions. An exception within a block counts the whole block.
 *
 * Debian ships no plugin header: the few declarations needed stand here.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef struct qemu_info_t qemu_info_t;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

typedef void (*translated_t)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*syscall_t)(qemu_plugin_id_t, unsigned int vcpu, int64_t number, uint64_t a1,
                          uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6,
                          uint64_t a7, uint64_t a8);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, translated_t);
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t, syscall_t);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, enum qemu_plugin_op,
                                              void *counter, uint64_t amount);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
void qemu_plugin_outs(const char *);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

enum { WRITE = 64, MARKER_FD = 1000 };

struct block {
    struct block *next;
    uint64_t times, times_at_mark;
    size_t number;
    uint32_t words[];
};
static struct block *blocks;

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *code) {
    size_t number = qemu_plugin_tb_n_insns(code);
    struct block *block = calloc(1, sizeof *block + number * sizeof *block->words);
    (void)id;
    if (!block) abort();
    block->number = number;
    for (size_t i = 0; i < number; i++)
        block->words[i] =
            *(const uint32_t *)qemu_plugin_insn_data(qemu_plugin_tb_get_insn(code, i));
    block->next = blocks;
    blocks = block;
    qemu_plugin_register_vcpu_tb_exec_inline(code, QEMU_PLUGIN_INLINE_ADD_U64, &block->times, 1);
}

static void print(const struct block *block) {
    char line[32];
    snprintf(line, sizeof line, "block %" PRIu64, block->times - block->times_at_mark);
    qemu_plugin_outs(line);
    for (size_t i = 0; i < block->number; i++) {
        snprintf(line, sizeof line, " %08" PRIx32, block->words[i]);
        qemu_plugin_outs(line);
    }
    qemu_plugin_outs("\n");
}

static void on_syscall(qemu_plugin_id_t id, unsigned int vcpu, int64_t number, uint64_t fd,
                       uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6,
                       uint64_t a7, uint64_t a8) {
    static bool marked;
    (void)id, (void)vcpu, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number != WRITE || fd != MARKER_FD) return;
    for (struct block *block = blocks; block; block = block->next) {
        if (marked && block->times > block->times_at_mark) print(block);
        block->times_at_mark = block->times;
    }
    marked = true;
    qemu_plugin_outs("mark\n");
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id,
                                                               const qemu_info_t *info, int argc,
                                                               char **argv) {
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
    return 0;
}
