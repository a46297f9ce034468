package org.mobilevitedge.core

import kotlin.random.Random
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertNull
import kotlin.test.assertTrue

class CameraTest {
    private val usual = listOf(FrameSize(4000, 3000), FrameSize(1920, 1080), FrameSize(1440, 1080), FrameSize(640, 480), FrameSize(320, 240))

    @Test
    fun `frames are small and the preview is large, of the same proportions`() {
        assertEquals(CameraSizes(FrameSize(640, 480), FrameSize(1440, 1080)), CameraSizes.choose(usual, usual))
    }

    @Test
    fun `a camera that is small shows what it has`() {
        val small = listOf(FrameSize(320, 240))
        assertEquals(CameraSizes(FrameSize(320, 240), FrameSize(320, 240)), CameraSizes.choose(small, small))
    }

    @Test
    fun `a depth camera, which has no sizes of frames, is none to use`() {
        for (frames in listOf(null, emptyList<FrameSize>())) assertNull(CameraSizes.choose(frames, usual))
        assertNull(CameraSizes.choose(usual, null))
    }

    @Test
    fun `the camera is open while all needs are met, whatever the order`() {
        val random = Random(4)
        repeat(200) {
            var open = 0
            val gate = CameraGate({ open++ }, { open-- })
            val met = mutableSetOf<CameraGate.Need>()
            repeat(40) {
                val need = CameraGate.Need.entries.random(random)
                val isMet = random.nextInt(3) > 0
                gate.set(need, isMet)
                if (isMet) met += need else met -= need
                if (random.nextInt(5) == 0) gate.reopen()
                assertEquals(if (met.size == 4) 1 else 0, open)
            }
        }
    }

    @Test
    fun `a screen that is left while the model loads opens the camera when it is back`() {
        val heard = mutableListOf<String>()
        val gate = CameraGate({ heard += "open" }, { heard += "close" })
        gate.set(CameraGate.Need.PERMISSION, true)
        gate.set(CameraGate.Need.SURFACE, true)
        gate.set(CameraGate.Need.SCREEN, true)
        gate.set(CameraGate.Need.SCREEN, false)
        gate.set(CameraGate.Need.MODEL, true)
        assertTrue(heard.isEmpty())
        gate.set(CameraGate.Need.SCREEN, true)
        assertEquals(listOf("open"), heard)
    }
}
