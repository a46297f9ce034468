package org.mobilevitedge.core

import kotlin.random.Random
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue

class LabelsTest {
    @Test
    fun `labels are one a line`() {
        assertEquals(listOf("cat", "dog"), Labels.parse("\uFEFFcat \r\ndog\r\n", 2))
        for ((text, count) in listOf(Pair("cat\n\ndog", 3), Pair("cat", 2), Pair("", 1))) {
            assertFailsWith<BundleException>(text) { Labels.parse(text, count) }
        }
    }

    @Test
    fun `labels are what Python reads, and what it refuses is refused`() {
        val cases = Vectors.cases("labels.json")
        assertTrue(cases.size > 10)
        for (case in cases) {
            val (text, count) = Pair(case.getString("text"), case.getInt("count"))
            if (case.isNull("labels")) {
                assertFailsWith<BundleException>(text.take(80)) { Labels.parse(text, count) }
            } else {
                val expected = case.getJSONArray("labels")
                assertEquals(List(expected.length()) { expected.getString(it) }, Labels.parse(text, count))
            }
        }
    }

    @Test
    fun `any text is labels or a refusal, never a crash`() {
        val random = Random(5)
        val pieces = listOf("cat", "\n", "\r\n", "\r", " ", "\u0000", "\uFEFF", "\u2028", "ü", "😀", "\uD800", "\t")
        repeat(4000) {
            val text = List(random.nextInt(12)) { pieces.random(random) }.joinToString("")
            val count = random.nextInt(1, 6)
            try {
                val labels = Labels.parse(text, count)
                assertTrue(labels.size == count && labels.none { it.isEmpty() })
            } catch (error: BundleException) {
                assertTrue(error.message!!.startsWith("labels"))
            }
        }
    }
}
