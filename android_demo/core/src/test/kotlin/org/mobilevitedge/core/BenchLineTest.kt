package org.mobilevitedge.core

import java.io.File
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertNull
import kotlin.test.assertTrue

class BenchLineTest {
    private val bundle = Bundle(File("any/demo"), ManifestReader.read(Vectors.text("bundle/manifest.json")), emptyList())

    private fun series(samples: List<Long>, vararg flags: Flag) =
        Series("2026-01-31T12:00:00Z", listOf(1), samples, null, null, calm(), calm(), flags.toList())

    private fun row(notRun: String?, vararg series: Series) = LatencyRow(bundle, "played", "1.0", 1, notRun, null, series.toList())

    @Test
    fun `a row shows the median and where most samples lie`() {
        val line = BenchLine.of(row(null, series((0L..5L).map { it * 1_000_000 }), series((6L..10L).map { it * 1_000_000 })))
        assertEquals(listOf(5.0, 1.0, 9.0), listOf(line.medianMs, line.lowMs, line.highMs))
        assertEquals(11, line.samplesNs.size)
        assertEquals("MobileViTv2 0.5", line.title.name)
    }

    @Test
    fun `flags are sentences, each once`() {
        for (kind in Flag.Kind.entries) {
            val flag = Flag(kind, "as it was")
            val note = BenchLine.of(row(null, series(listOf(1), flag), series(listOf(2), flag))).notes.single()
            assertTrue(note.first().isUpperCase() && note.endsWith(": as it was."), note)
        }
    }

    @Test
    fun `a row without samples says why`() {
        val line = BenchLine.of(row("out of memory"))
        assertNull(line.medianMs)
        assertEquals(listOf("out of memory"), line.notes)
    }
}
