package org.mobilevitedge.core

import kotlin.math.abs
import kotlin.math.exp
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

class SmootherTest {
    private val cat = doubleArrayOf(1.0, 0.0)
    private val dog = doubleArrayOf(0.0, 1.0)

    private fun ns(seconds: Double) = (seconds * 1e9).toLong()

    @Test
    fun `one frame of many does not change the best class`() {
        val smoother = Smoother()
        for (frame in 0 until 30) smoother.add(cat, ns(frame / 30.0))
        assertTrue(smoother.add(dog, ns(1.0)).let { it[0] > it[1] })
        assertTrue(smoother.add(cat, ns(31 / 30.0)).let { it[0] > 0.9 })
    }

    @Test
    fun `another picture takes as long at any rate of frames`() {
        val shares = listOf(5, 10, 60).map { rate ->
            val smoother = Smoother()
            smoother.add(cat, 0)
            (1..rate).map { smoother.add(dog, ns(it.toDouble() / rate)) }.last()[0]
        }
        for (share in shares) assertEquals(exp(-1 / Smoother.SECONDS), share, 1e-9)
    }

    @Test
    fun `the first frame counts in full, another model begins anew, and sums stay one`() {
        val smoother = Smoother()
        assertEquals(dog.toList(), smoother.add(dog, 5).toList())
        val three = doubleArrayOf(0.2, 0.3, 0.5)
        assertEquals(three.toList(), smoother.add(three, 6).toList())
        // A clock that goes back is no frame of great weight.
        assertTrue(abs(smoother.add(doubleArrayOf(1.0, 0.0, 0.0), 0).sum() - 1) < 1e-12)
    }
}
