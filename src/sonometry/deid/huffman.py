"""Entropy coding of sequential JPEG: bits to quantised DCT coefficients and back, without touching any value.

Blocks are kept in the order of the scan, coefficients in zigzag order (ITU-T T.81 Annex F). Every read is checked
against the end of the data, so that a damaged stream gives a code and never a crash.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

#: What `decode_blocks` returns when all went well, and otherwise.
OK, BAD_CODE, TRUNCATED, BAD_RUN, BAD_SIZE = 0, 1, 2, 3, 4
_MAX_DC_BITS, _MAX_AC_BITS = 11, 10


@dataclass(frozen=True, eq=False)
class Codes:
    """One Huffman table: `lookup` (65536,) length << 8 | symbol for the next 16 bits, 0 where no code begins."""

    lookup: np.ndarray


def lookup_of(counts: bytes, symbols: bytes) -> Codes:
    """Decoding table of a DHT segment; ValueError when the counts describe no prefix code (T.81 C.2)."""
    lookup = np.zeros(1 << 16, np.uint16)
    code, position = 0, 0
    for length, count in enumerate(counts, 1):
        for _ in range(count):
            first = code << (16 - length)
            last = first + (1 << (16 - length))
            if last > 1 << 16 or position >= len(symbols):
                raise ValueError("not a prefix code")
            lookup[first:last] = (length << 8) | symbols[position]
            code += 1
            position += 1
        code <<= 1
    return Codes(lookup)


@numba.njit(cache=True, nogil=True)
def decode_blocks(data, lookups, dc_of, ac_of, component_of, n_mcus, restart, blocks):  # type: ignore[no-untyped-def]
    """Fill `blocks` (n, 64) int16 from the entropy-coded `data` (uint8, byte stuffing and restart markers included).

    lookups : (tables, 65536). dc_of, ac_of : table per component. component_of : component of every block of one MCU.
    restart : MCUs between restart markers, 0 for none. Returns a code, see above.
    """
    n = len(data)
    position = 0
    bits = np.uint64(0)
    n_bits = 0
    per_mcu = len(component_of)
    predictor = np.zeros(4, np.int32)
    block = 0
    for mcu in range(n_mcus):
        if restart > 0 and mcu > 0 and mcu % restart == 0:
            predictor[:] = 0
            bits, n_bits = np.uint64(0), 0
            while position + 1 < n and not (data[position] == 0xFF and 0xD0 <= data[position + 1] <= 0xD7):
                position += 1
            if position + 1 >= n:
                return TRUNCATED
            position += 2
        for part in range(per_mcu):
            component = component_of[part]
            index = 0
            while index < 64:
                # 16 bits for the code, 16 for its value: refill to at least 32, with zeros after the end.
                while n_bits <= 32:
                    byte = np.uint64(0)
                    if position < n:
                        byte = np.uint64(data[position])
                        if byte == 0xFF:
                            if position + 1 < n and data[position + 1] == 0:
                                position += 2
                            elif position + 1 < n and 0xD0 <= data[position + 1] <= 0xD7:
                                byte = np.uint64(0)  # a restart marker: nothing more of this interval
                            else:
                                position = n
                                byte = np.uint64(0)
                        else:
                            position += 1
                    elif position > n + 16:
                        return TRUNCATED
                    else:
                        position += 1
                    bits = (bits << np.uint64(8)) | byte
                    n_bits += 8
                table = dc_of[component] if index == 0 else ac_of[component]
                entry = lookups[table, (bits >> np.uint64(n_bits - 16)) & np.uint64(0xFFFF)]
                if entry == 0:
                    return BAD_CODE
                n_bits -= entry >> 8
                symbol = entry & 0xFF
                if index == 0:
                    run, size = 0, symbol
                    if size > _MAX_DC_BITS:
                        return BAD_SIZE
                else:
                    run, size = symbol >> 4, symbol & 15
                    if size == 0:
                        if run == 15:
                            index += 16
                            continue
                        break
                    if size > _MAX_AC_BITS:
                        return BAD_SIZE
                index += run
                if index > 63:
                    return BAD_RUN
                value = 0
                if size > 0:
                    n_bits -= size
                    value = np.int32((bits >> np.uint64(n_bits)) & np.uint64((1 << size) - 1))
                    if value < (1 << (size - 1)):
                        value -= (1 << size) - 1
                if index == 0:
                    predictor[component] += value
                    value = predictor[component]
                    if value > 2047 or value < -2048:
                        return BAD_SIZE
                blocks[block, index] = value
                index += 1
            block += 1
    return OK


@numba.njit(cache=True, nogil=True)
def _size_of(value):  # type: ignore[no-untyped-def]
    """Bits of the magnitude of a coefficient (T.81 Table F.1)."""
    magnitude = -value if value < 0 else value
    size = 0
    while magnitude > 0:
        size += 1
        magnitude >>= 1
    return size


@numba.njit(cache=True, nogil=True)
def count_symbols(blocks, component_of, table_of, dc_counts, ac_counts):  # type: ignore[no-untyped-def]
    """Frequencies of the symbols that `encode_blocks` writes; (tables, 257) each."""
    predictor = np.zeros(4, np.int32)
    per_mcu = len(component_of)
    for block in range(len(blocks)):
        component = component_of[block % per_mcu]
        table = table_of[component]
        dc_counts[table, _size_of(blocks[block, 0] - predictor[component])] += 1
        predictor[component] = blocks[block, 0]
        run = 0
        for index in range(1, 64):
            value = blocks[block, index]
            if value == 0:
                run += 1
                continue
            while run > 15:
                ac_counts[table, 0xF0] += 1
                run -= 16
            ac_counts[table, (run << 4) | _size_of(value)] += 1
            run = 0
        if run > 0:
            ac_counts[table, 0] += 1


@numba.njit(cache=True, nogil=True)
def encode_blocks(blocks, component_of, table_of, dc_codes, dc_lengths, ac_codes, ac_lengths, out):  # type: ignore[no-untyped-def]
    """Write the blocks to `out` (uint8) with byte stuffing; returns the number of bytes, or -1 when `out` is too small.

    codes, lengths : (tables, 256) of the Huffman codes.
    """
    predictor = np.zeros(4, np.int32)
    per_mcu = len(component_of)
    bits = np.uint64(0)
    n_bits = 0
    position = 0
    limit = len(out) - 600  # more than one block can take
    for block in range(len(blocks)):
        if position > limit:
            return -1
        component = component_of[block % per_mcu]
        table = table_of[component]
        run = 0
        for index in range(64):
            if index == 0:
                value = np.int32(blocks[block, 0]) - predictor[component]
                predictor[component] = blocks[block, 0]
                size = _size_of(value)
                code, length = dc_codes[table, size], dc_lengths[table, size]
            else:
                value = np.int32(blocks[block, index])
                if value == 0:
                    run += 1
                    continue
                while run > 15:
                    bits = (bits << np.uint64(ac_lengths[table, 0xF0])) | np.uint64(ac_codes[table, 0xF0])
                    n_bits += ac_lengths[table, 0xF0]
                    run -= 16
                    while n_bits >= 8:
                        byte = np.uint8((bits >> np.uint64(n_bits - 8)) & np.uint64(0xFF))
                        out[position] = byte
                        position += 1
                        if byte == 0xFF:
                            out[position] = 0
                            position += 1
                        n_bits -= 8
                size = _size_of(value)
                symbol = (run << 4) | size
                code, length = ac_codes[table, symbol], ac_lengths[table, symbol]
                run = 0
            bits = (bits << np.uint64(length)) | np.uint64(code)
            n_bits += length
            if size > 0:
                if value < 0:
                    value += (1 << size) - 1
                bits = (bits << np.uint64(size)) | np.uint64(value)
                n_bits += size
            while n_bits >= 8:
                byte = np.uint8((bits >> np.uint64(n_bits - 8)) & np.uint64(0xFF))
                out[position] = byte
                position += 1
                if byte == 0xFF:
                    out[position] = 0
                    position += 1
                n_bits -= 8
        if run > 0:
            bits = (bits << np.uint64(ac_lengths[table, 0])) | np.uint64(ac_codes[table, 0])
            n_bits += ac_lengths[table, 0]
            while n_bits >= 8:
                byte = np.uint8((bits >> np.uint64(n_bits - 8)) & np.uint64(0xFF))
                out[position] = byte
                position += 1
                if byte == 0xFF:
                    out[position] = 0
                    position += 1
                n_bits -= 8
    if n_bits > 0:  # fill with ones (T.81 F.1.2.3)
        byte = np.uint8(((bits << np.uint64(8 - n_bits)) | np.uint64((1 << (8 - n_bits)) - 1)) & np.uint64(0xFF))
        out[position] = byte
        position += 1
        if byte == 0xFF:
            out[position] = 0
            position += 1
    return position


def best_codes(frequencies: np.ndarray) -> tuple[bytes, bytes]:
    """Counts per length (16) and symbols of the best code of at most 16 bits, without a code of ones only (T.81 K.2).

    frequencies : (257,) how often each symbol occurs; the last entry is ignored.
    """
    used = [(int(count), symbol) for symbol, count in enumerate(frequencies[:256]) if count > 0]
    groups = [(count, [symbol]) for count, symbol in used] + [(0, [256])]  # 256 takes the code of ones
    length = dict.fromkeys([symbol for _, symbol in used] + [256], 0)
    while len(groups) > 1:
        groups.sort(key=lambda group: (group[0], -max(group[1])), reverse=True)
        (count_a, members_a), (count_b, members_b) = groups.pop(), groups.pop()
        for symbol in members_a + members_b:
            length[symbol] += 1
        groups.append((count_a + count_b, members_a + members_b))
    counts = [0] * 64
    for symbol in length:
        counts[max(length[symbol], 1)] += 1
    _limit(counts)
    longest = max(i for i in range(1, 17) if counts[i])
    counts[longest] -= 1  # the code of ones is not used
    order = sorted((symbol for symbol in length if symbol != 256), key=lambda symbol: (length[symbol], symbol))
    return bytes(counts[1:17]), bytes(order)


def _limit(counts: list[int]) -> None:
    """Shorten codes of more than 16 bits (T.81 Figure K.3)."""
    for size in range(63, 16, -1):
        while counts[size] > 0:
            shorter = size - 2
            while counts[shorter] == 0:
                shorter -= 1
            counts[size] -= 2
            counts[size - 1] += 1
            counts[shorter + 1] += 2
            counts[shorter] -= 1


def codes_of(counts: bytes, symbols: bytes) -> tuple[np.ndarray, np.ndarray]:
    """(256,) codes and lengths by symbol; length 0 where a symbol has none (T.81 C.2)."""
    codes, lengths = np.zeros(256, np.uint32), np.zeros(256, np.int32)
    code, position = 0, 0
    for size, count in enumerate(counts, 1):
        for _ in range(count):
            codes[symbols[position]], lengths[symbols[position]] = code, size
            code += 1
            position += 1
        code <<= 1
    return codes, lengths
