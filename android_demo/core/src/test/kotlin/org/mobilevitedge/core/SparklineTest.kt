package org.mobilevitedge.core

import kotlin.random.Random
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

class SparklineTest {
    @Test
    fun `few samples are points, the fastest at 0 and the slowest at 1`() {
        assertEquals(listOf(0f, 0.5f, 1f), Sparkline.points(listOf(10, 15, 20), 8))
        assertEquals(listOf(0.5f, 0.5f), Sparkline.points(listOf(7, 7), 8))
        assertEquals(emptyList(), Sparkline.points(emptyList(), 8))
    }

    @Test
    fun `no outlier is lost among many`() {
        val random = Random(8)
        repeat(100) {
            val samples = List(random.nextInt(1, 2000)) { 100L + random.nextInt(20) }.toMutableList()
            val place = random.nextInt(samples.size)
            samples[place] = 1000
            val points = Sparkline.points(samples, 50)
            assertEquals(minOf(50, samples.size), points.size)
            assertTrue(points.max() == 1f || samples.size == 1)
            assertTrue(points.all { it in 0f..1f })
        }
    }
}
