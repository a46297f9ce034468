package org.mobilevitedge.app

import android.Manifest
import android.app.Activity
import android.content.pm.PackageManager
import android.content.res.Configuration
import android.graphics.Matrix
import android.graphics.SurfaceTexture
import android.hardware.camera2.CameraAccessException
import android.hardware.camera2.CameraManager
import android.os.Bundle as State
import android.view.Surface
import android.view.TextureView
import android.view.ViewGroup
import android.widget.LinearLayout
import android.widget.TextView
import org.mobilevitedge.core.BundleException
import org.mobilevitedge.core.Pixels
import org.mobilevitedge.core.Recognizer

/** Classifies what the camera sees, always the newest frame. */
class CameraActivity : Activity(), TextureView.SurfaceTextureListener {
    private lateinit var preview: TextureView
    private lateinit var times: TextView
    private lateinit var answers: AnswerView
    private val worker = Worker(this)
    private var cameras = emptyList<String>()
    private var camera = 0
    private var feed: CameraFeed? = null

    // Of the camera's thread alone, once the feed is open.
    private var recognizer: Recognizer? = null

    override fun onCreate(state: State?) {
        super.onCreate(state)
        camera = state?.getInt(CAMERA) ?: 0
        preview = TextureView(this).also { it.surfaceTextureListener = this }
        times = TextView(this)
        answers = AnswerView(this)
        val panel = column(listOf(times, answers, button(R.string.other_camera) { useOther() }))
        val landscape = resources.configuration.orientation == Configuration.ORIENTATION_LANDSCAPE
        val (fill, wrap) = Pair(ViewGroup.LayoutParams.MATCH_PARENT, ViewGroup.LayoutParams.WRAP_CONTENT)
        showScreen(
            LinearLayout(this).apply {
                orientation = if (landscape) LinearLayout.HORIZONTAL else LinearLayout.VERTICAL
                addView(preview, if (landscape) LinearLayout.LayoutParams(0, fill, 1f) else LinearLayout.LayoutParams(fill, 0, 1f))
                addView(panel, if (landscape) LinearLayout.LayoutParams(0, fill, 1f) else LinearLayout.LayoutParams(fill, wrap))
            },
        )
        if (checkSelfPermission(Manifest.permission.CAMERA) != PackageManager.PERMISSION_GRANTED) {
            requestPermissions(arrayOf(Manifest.permission.CAMERA), 0)
        }
    }

    override fun onSaveInstanceState(state: State) {
        super.onSaveInstanceState(state)
        state.putInt(CAMERA, camera)
    }

    override fun onResume() {
        super.onResume()
        start()
    }

    override fun onPause() {
        stop()
        super.onPause()
    }

    override fun onDestroy() {
        worker.run { recognizer?.close() }
        worker.close()
        super.onDestroy()
    }

    override fun onRequestPermissionsResult(request: Int, permissions: Array<String>, results: IntArray) {
        if (results.firstOrNull() == PackageManager.PERMISSION_GRANTED) start() else times.setText(R.string.camera_refused)
    }

    override fun onSurfaceTextureAvailable(texture: SurfaceTexture, width: Int, height: Int) = start()

    override fun onSurfaceTextureSizeChanged(texture: SurfaceTexture, width: Int, height: Int) {
        feed?.let {
            it.turn(displayDegrees())
            fit(it)
        }
    }

    override fun onSurfaceTextureDestroyed(texture: SurfaceTexture): Boolean {
        stop()
        return true
    }

    override fun onSurfaceTextureUpdated(texture: SurfaceTexture) = Unit

    private fun useOther() {
        if (cameras.isEmpty()) return
        stop()
        camera = (camera + 1) % cameras.size
        start()
    }

    /** Load the model once, then open the camera, when permission and preview are there. */
    private fun start() {
        val granted = checkSelfPermission(Manifest.permission.CAMERA) == PackageManager.PERMISSION_GRANTED
        if (feed != null || !granted || !preview.isAvailable) return
        times.setText(R.string.working)
        worker.run {
            try {
                if (recognizer == null) {
                    val bundle = Models(this).open(intent.getStringExtra(MODEL) ?: throw BundleException(getString(R.string.no_model)))
                    recognizer = Recognizer.open(bundle) { Models.load(it, MainActivity.THREADS) }
                }
                worker.show { open() }
            } catch (error: BundleException) {
                worker.show { times.text = error.message }
            }
        }
    }

    private fun open() {
        val texture = preview.surfaceTexture
        if (feed != null || !preview.isAvailable || texture == null) return
        try {
            cameras = CameraFeed.cameras(this)
            if (cameras.isEmpty()) return times.setText(R.string.no_camera)
            val id = cameras[camera % cameras.size]
            val opened = CameraFeed(getSystemService(CameraManager::class.java), id, ::recognize) { problem -> worker.show { times.text = problem } }
            feed = opened
            fit(opened)
            opened.open(texture, displayDegrees())
        } catch (error: CameraAccessException) {
            times.text = error.message
        }
    }

    private fun stop() {
        feed?.close()
        feed = null
    }

    private fun recognize(image: Pixels) {
        val start = System.nanoTime()
        try {
            val answer = recognizer?.recognize(image, AnswerView.COUNT) ?: return
            val all = System.nanoTime() - start
            worker.show {
                answers.show(answer.classes)
                times.text = getString(R.string.times, answer.inferenceNs / MainActivity.NS_PER_MS, all / MainActivity.NS_PER_MS)
            }
        } catch (error: BundleException) {
            worker.show { times.text = error.message }
        }
    }

    private fun displayDegrees(): Int = 90 * when (windowManager.defaultDisplay.rotation) {
        Surface.ROTATION_90 -> 1
        Surface.ROTATION_180 -> 2
        Surface.ROTATION_270 -> 3
        else -> 0
    }

    /** Show the frame upright, whole and undistorted. */
    private fun fit(feed: CameraFeed) {
        val (width, height) = Pair(preview.width.toFloat(), preview.height.toFloat())
        if (width == 0f || height == 0f) return
        // The system turns the buffer for a device held upright, and stretches it over the view.
        val sideways = feed.sensorDegrees % 180 != 0
        val (frameWidth, frameHeight) =
            if (sideways) Pair(feed.size.height.toFloat(), feed.size.width.toFloat())
            else Pair(feed.size.width.toFloat(), feed.size.height.toFloat())
        val degrees = displayDegrees()
        val turned = degrees % 180 != 0
        val scale =
            if (turned) minOf(width / frameHeight, height / frameWidth) else minOf(width / frameWidth, height / frameHeight)
        val matrix = Matrix()
        matrix.postScale(frameWidth * scale / width, frameHeight * scale / height, width / 2, height / 2)
        matrix.postRotate(-degrees.toFloat(), width / 2, height / 2)
        preview.setTransform(matrix)
    }

    companion object {
        /** The extra that names the bundle. */
        const val MODEL = "model"
        private const val CAMERA = "camera"
    }
}
