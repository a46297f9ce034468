package org.mobilevitedge.core

import kotlin.math.abs

/** Width and height of a camera's frames, in pixels. */
data class FrameSize(val width: Int, val height: Int) {
    val pixels: Long
        get() = width.toLong() * height

    /** The same proportions, within what rounding to whole pixels changes. */
    fun isLike(other: FrameSize): Boolean =
        abs(width.toDouble() / height - other.width.toDouble() / other.height) < PROPORTIONS

    private companion object {
        const val PROPORTIONS = 0.02
    }
}

/** Which of a camera's sizes are used: [frames] for the model, [preview] for the eye, of the same proportions. */
data class CameraSizes(val frames: FrameSize, val preview: FrameSize) {
    companion object {
        /** More than any model needs is time lost in conversion. */
        private const val SHORT_SIDE = 480

        /** What every camera shows beside a stream of frames. */
        private val LARGEST_PREVIEW = FrameSize(1920, 1080)

        /**
         * Null if the camera gives no frames of this kind, as depth cameras do, or cannot show them.
         *
         * [frames] and [previews]: what the camera gives; null where the system says so.
         */
        fun choose(frames: List<FrameSize>?, previews: List<FrameSize>?): CameraSizes? {
            val sorted = frames.orEmpty().sortedBy { it.pixels }
            val frame = sorted.firstOrNull { minOf(it.width, it.height) >= SHORT_SIDE } ?: sorted.lastOrNull() ?: return null
            val shown = previews.orEmpty().filter { it.isLike(frame) && it.pixels <= LARGEST_PREVIEW.pixels }.maxByOrNull { it.pixels }
            return CameraSizes(frame, shown ?: frame.takeIf { it in previews.orEmpty() } ?: return null)
        }
    }
}
