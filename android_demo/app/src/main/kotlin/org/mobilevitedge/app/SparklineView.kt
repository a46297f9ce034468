package org.mobilevitedge.app

import android.content.Context
import android.graphics.Canvas
import android.graphics.Paint
import android.graphics.Path
import android.view.View
import org.mobilevitedge.core.Sparkline

/** Samples as a line, in the order in which they came. */
class SparklineView(context: Context) : View(context) {
    private val density = resources.displayMetrics.density
    private val line = Paint(Paint.ANTI_ALIAS_FLAG).apply {
        color = context.getColor(R.color.accent)
        style = Paint.Style.STROKE
        strokeWidth = 1.5f * density
        // A sharp point of an outlier would stand out of the view.
        strokeJoin = Paint.Join.ROUND
    }
    private val path = Path()
    private var samples: List<Long> = emptyList()

    fun show(samplesNs: List<Long>) {
        samples = samplesNs
        contentDescription = resources.getString(R.string.sparkline, samples.size)
        invalidate()
    }

    override fun onMeasure(widthSpec: Int, heightSpec: Int) {
        setMeasuredDimension(getDefaultSize(suggestedMinimumWidth, widthSpec), resolveSize((HEIGHT * density).toInt(), heightSpec))
    }

    override fun onDraw(canvas: Canvas) {
        val points = Sparkline.points(samples, maxOf(1, (width / (2 * density)).toInt()))
        val edge = line.strokeWidth
        path.rewind()
        for ((number, point) in points.withIndex()) {
            val x = if (points.size == 1) width / 2f else number * width / (points.size - 1f)
            val y = height - edge - point * (height - 2 * edge)
            if (number == 0) path.moveTo(x, y) else path.lineTo(x, y)
        }
        canvas.drawPath(path, line)
    }

    private companion object {
        const val HEIGHT = 32
    }
}
